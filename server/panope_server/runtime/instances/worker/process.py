"""The process behind an instance: started with one end of a Unix socket, written to, ended."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import Self

import structlog

from panope_backends.errors import AvailabilityError, InternalError
from panope_server.runtime.instances.worker.log import WorkerOutput
from panope_server.runtime.instances.worker.socket import WorkerSocket
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.processes.child_process import ChildProcess, describe_exit
from panope_server.runtime.processes.environment import child_environment
from panope_server.runtime.processes.killed import has_been_killed

_log = structlog.get_logger("panope.instances")

KILL_GRACE_SECONDS = 2.0


class KilledInLoadError(InternalError):
    """Something outside killed a worker while it loaded: a person, or the kernel for lack of memory."""

    @classmethod
    def of_exit(cls, backend: str, code: int) -> Self:
        """Tells how it was killed."""
        return cls(f"the worker of the backend `{backend}` was {describe_exit(code)} while it loaded the model")


class NotSpawnedError(AvailabilityError):
    """The machine could not start a process now; the model is not at fault."""

    default_reason = "worker_start_failed"


class WorkerProcess:
    """One worker program.

    Args:
        instance: the name of the instance that it is.
        plan: what it will load.
        connection: reads what it sends.
        in_background: whether its threads make way for those of others on the processor.
    """

    def __init__(self, instance: str, plan: LoadPlan, connection: WorkerSocket, *, in_background: bool) -> None:
        self._instance = instance
        self._plan = plan
        self._connection = connection
        self._in_background = in_background
        self._output = WorkerOutput(instance, plan.model)
        self._process: ChildProcess | None = None
        self._transport: asyncio.WriteTransport | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before the start and after the end."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> None:
        """Starts the program and connects to it.

        Raises:
            NotSpawnedError: the machine cannot start one now.
        """
        try:
            await self._spawn()
        except (OSError, RuntimeError) as error:  # no descriptor, no memory, no thread, no such program
            _log.error("worker_start_failed", instance=self._instance, error=str(error))
            raise NotSpawnedError("the worker program could not be started") from None

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = await ChildProcess.start(
                    self._plan.python or sys.executable,
                    "-m",
                    "panope_backends.worker",
                    "--fd",
                    str(theirs.fileno()),
                    *(("--background",) if self._in_background else ()),
                    environment=child_environment(memory_bytes=self._plan.memory_limit_bytes),
                    stderr=self._output.read,
                    pass_fds=(theirs.fileno(),),
                )
                loop = asyncio.get_running_loop()
                self._transport, _ = await loop.create_unix_connection(lambda: self._connection, sock=ours)
            except BaseException:
                ours.close()
                self.kill()
                raise

    def leave_if_killed(self) -> None:
        """Takes one that was killed for lost now, not when it has the processor again to end."""
        if has_been_killed(self.pid):
            _log.warning("worker_killed", instance=self._instance, model=self._plan.model)
            self.disconnect()

    def write(self, data: bytes) -> None:
        """Sends bytes to it; nothing when the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def disconnect(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()

    def kill(self) -> None:
        """Kills it at once."""
        if self._process is not None:
            self._process.kill()

    def abort(self) -> None:
        """Has it write every thread's stack to its log and end, and kills it when it does not."""
        if self._process is not None and self._process.is_running:
            self._process.send_signal(signal.SIGABRT)
            asyncio.get_running_loop().call_later(KILL_GRACE_SECONDS, self.kill)

    async def wait(self) -> int:
        """Waits until it is gone and all that it wrote was read; its exit code."""
        return 0 if self._process is None else await self._process.wait()

    def last_lines(self, count: int) -> list[str]:
        """The last lines that it wrote."""
        return list(self._output.last_lines)[-count:]
