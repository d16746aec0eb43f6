"""One worker process: started, spoken to, watched, ended.

The process is exec'd with one end of a Unix socket. Its death is the end of that socket, which the event loop notices
in about a millisecond: every call that it holds then fails with InstanceLostError.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import structlog
from google.protobuf.message import DecodeError

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InstanceLostError, InternalError, PanopeError
from panope_backends.frames import FrameDecoder, FrameError, encode_frame
from panope_server.config import Workers
from panope_server.runtime.environment import child_environment
from panope_server.runtime.output import WorkerOutput
from panope_server.runtime.plan import LoadPlan
from panope_server.runtime.room import Entry, Room
from panope_server.runtime.translate import error_of, load_frame
from panope_server.runtime.views import InstanceState, InstanceView
from panope_server.runtime.wish import Wish

_log = structlog.get_logger("panope.instances")

KILL_GRACE_SECONDS = 2.0
LOST_RETRY_SECONDS = 1.0


class Listener(Protocol):
    """What an instance tells the model it belongs to."""

    def room(self) -> None:
        """The instance can take more work."""

    def answered(self, entry: Entry, frame: wire.WorkerFrame) -> None:
        """An entry has its answer; its future is resolved already."""

    def beat(self, instance: Instance) -> None:
        """The worker told its memory, as it does once a second."""

    def lost(self, instance: Instance) -> None:
        """The worker's socket has ended; the calls that it held have failed."""


class Instance:
    """One worker process that runs one plan.

    Args:
        name: unique in this server.
        listener: told about room and answers, from the event loop.
    """

    def __init__(self, name: str, plan: LoadPlan, workers: Workers, listener: Listener) -> None:
        self.name = name
        self.plan = plan
        self.state = InstanceState.STARTING
        self.ready: wire.Ready | None = None
        self.started_at = datetime.now(UTC)
        self.ready_at: datetime | None = None
        self.resident_bytes = 0
        self.end_reason = ""
        self.closed = asyncio.Event()
        self._workers = workers
        self._listener = listener
        self._held = Room()
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._loaded: asyncio.Future[wire.Ready] = asyncio.get_running_loop().create_future()
        self._output = WorkerOutput(name, plan.model)

    @property
    def pid(self) -> int:
        """The process id; 0 before the start and after the end."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    @property
    def precision(self) -> str:
        """What it computes in; what the plan says, perhaps nothing, until the worker has told."""
        return self.ready.precision if self.ready is not None else self.plan.precision

    def satisfies(self, wish: Wish) -> bool:
        """Whether it runs as somebody wishes."""
        plan = self.plan
        return (
            wish.backend in ("", plan.backend)
            and wish.precision in ("", self.precision, plan.weights_precision)
            and plan.variant_digest.startswith(wish.variant)
        )

    @property
    def held_texts(self) -> int:
        """The texts of the work that it has."""
        return self._held.texts

    def fits(self, texts: int) -> bool:
        """Whether work of this cost may be handed over; work larger than the window goes when the worker is empty."""
        if self.state is not InstanceState.READY:
            return False
        return self.held_texts == 0 or self.held_texts + texts <= self._workers.window_texts

    async def start(self) -> None:
        """Starts the process and returns when the model has answered a trial run.

        Raises:
            PanopeError: why the model could not be loaded.
        """
        started = time.monotonic()
        ours, theirs = socket.socketpair()
        try:
            python = self._workers.python or sys.executable
            self._process = await asyncio.create_subprocess_exec(
                python,
                "-m",
                "panope_backends.worker",
                "--fd",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env=child_environment(),
                process_group=0,
            )
        except OSError as error:
            ours.close()
            _log.error("worker_not_started", instance=self.name, error=str(error))
            raise InternalError("the worker program could not be started") from None
        finally:
            theirs.close()
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: _Socket(self._frame, self._lost), sock=ours)
        assert self._process.stderr is not None
        self._reader = asyncio.create_task(self._output.read(self._process.stderr))
        self._send(load_frame(self.plan, self._workers))
        await self._wait_until_loaded()
        self.state = InstanceState.READY
        self.ready_at = datetime.now(UTC)
        _log.info(
            "instance_ready",
            instance=self.name,
            model=self.plan.model,
            pid=self.pid,
            seconds=round(time.monotonic() - started, 3),
        )

    def submit(self, entry: Entry) -> None:
        """Hands work over; `entry.future` gets the frame with the answer."""
        entry.dispatched = time.monotonic()
        entry.withdraw = partial(self._withdraw, entry.id)
        self._held.add(entry)
        self._write(entry.frame)

    def _withdraw(self, entry_id: int) -> None:
        self._send(wire.ServerFrame(id=entry_id, cancel=wire.Cancel()))

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - two phases share it: ask, then kill
        """Ends the process after its work, or kills it when that takes longer than `timeout` seconds."""
        self.state = InstanceState.DRAINING
        self.end_reason = self.end_reason or "drained"
        self._send(wire.ServerFrame(drain=wire.Drain()))
        try:
            async with asyncio.timeout(timeout):
                await self.closed.wait()
        except TimeoutError:
            self.kill("did not end in time")
        await self.wait()

    def kill(self, reason: str) -> None:
        """Kills the process at once."""
        self.end_reason = reason
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def wait(self) -> int:
        """Waits until the process is gone; its exit code, negative for a signal."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        await self._reader
        return code

    def output_tail(self, lines: int) -> list[str]:
        """The last lines that the worker wrote."""
        return list(self._output.last_lines)[-lines:]

    def view(self, restart_count: int) -> InstanceView:
        """What people may see of it."""
        return InstanceView(
            id=self.name,
            variant_digest=self.plan.variant_digest,
            backend=self.plan.backend,
            device=self.plan.device,
            precision=self.precision,
            state=self.state,
            pid=self.pid,
            resident_bytes=self.resident_bytes,
            restart_count=restart_count,
            selection_reason=self.plan.reason,
            ready_at=self.ready_at,
            started_at=self.started_at,
        )

    async def _wait_until_loaded(self) -> None:
        timeout = self._workers.start_timeout_seconds
        try:
            async with asyncio.timeout(timeout):
                self.ready = await self._loaded
        except TimeoutError:
            self.kill("loading took too long")
            await self.wait()
            raise InternalError(f"loading did not end within {timeout:g} seconds") from None
        except PanopeError:
            await self._end_after_failure()
            raise
        except asyncio.CancelledError:
            self.kill("loading was stopped")
            raise

    async def _end_after_failure(self) -> None:
        try:
            async with asyncio.timeout(KILL_GRACE_SECONDS):
                await self.wait()
        except TimeoutError:
            self.kill("did not end after a failure")
            await self.wait()

    def _send(self, frame: wire.ServerFrame) -> None:
        self._write(encode_frame(frame))

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _frame(self, data: bytes) -> None:
        frame = wire.WorkerFrame.FromString(data)
        if frame.id:
            self._answer(frame)
            return
        match frame.WhichOneof("body"):
            case "heartbeat":
                self._beat(frame.heartbeat)
            case "ready":
                if not self._loaded.done():
                    self._loaded.set_result(frame.ready)
            case "failure":
                if not self._loaded.done():
                    self._loaded.set_exception(error_of(frame.failure))

    def _answer(self, frame: wire.WorkerFrame) -> None:
        entry = self._held.get(frame.id)
        if entry is None:
            return  # cancelled while its answer was on the way
        entry.answer(frame)
        self._listener.answered(entry, frame)
        self._listener.room()

    def _beat(self, heartbeat: wire.Heartbeat) -> None:
        self.resident_bytes = heartbeat.resident_bytes
        self._listener.beat(self)
        if heartbeat.running_milliseconds > self._workers.hang_timeout_seconds * 1000:
            _log.error("worker_hangs", instance=self.name, running_ms=heartbeat.running_milliseconds)
            # SIGABRT makes the worker write every thread's stack to its log before it dies.
            self.end_reason = "hang"
            if self._process is not None and self._process.returncode is None:
                self._process.send_signal(signal.SIGABRT)
                asyncio.get_running_loop().call_later(KILL_GRACE_SECONDS, self.kill, "hang")

    def _lost(self) -> None:
        was_ready = self.state is InstanceState.READY
        if self.state is not InstanceState.DRAINING:
            self.state = InstanceState.BACKING_OFF
        if not self._loaded.done():
            self._loaded.set_exception(InternalError("the worker ended while it loaded the model"))
            self._loaded.exception()  # told to whoever waits; nobody may be waiting any more
        if self._transport is not None:
            self._transport.close()
        if self._process is not None and self._process.returncode is None and was_ready:
            # The socket is gone, so the process is of no use even if it still runs.
            self._process.kill()
        for entry in self._held.drain():
            entry.fail(
                InstanceLostError(
                    f"the worker of model `{self.plan.model}` ended while it had this call",
                    retry_after_seconds=LOST_RETRY_SECONDS,
                )
            )
        self._listener.lost(self)
        self.closed.set()


class _Socket(asyncio.Protocol):
    """Cuts the stream of bytes into frames."""

    def __init__(self, frame: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._frame = frame
        self._on_lost = lost
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport, to close it on garbage."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Hands on each whole frame; a worker that sends garbage is cut off."""
        try:
            for frame in self._decoder.feed(data):
                self._frame(frame)
        except (FrameError, DecodeError) as error:
            _log.error("worker_sent_garbage", error=str(error))
            assert self._transport is not None
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker is gone."""
        self._on_lost()
