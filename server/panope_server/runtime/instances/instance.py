"""One worker process: started, spoken to, watched, ended.

The process is exec'd with one end of a Unix socket. Its death is the end of that socket, which the event loop notices
in about a millisecond: every call that it holds then fails with InstanceLostError.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import structlog

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import AvailabilityError, InstanceLostError, InternalError, PanopeError
from panope_backends.wire.frames import encode_frame
from panope_server.config import Workers
from panope_server.runtime.instances.guests import Guest, Guests
from panope_server.runtime.instances.in_flight import Entries, Entry, Tenant
from panope_server.runtime.instances.liveness import CHECK_SECONDS, worker_liveness
from panope_server.runtime.instances.model_instance import Listener, ModelInstance
from panope_server.runtime.instances.role import Role
from panope_server.runtime.instances.suspects import Suspects
from panope_server.runtime.instances.worker.frames import error_of, intervals_of, load_frame, statistics_of
from panope_server.runtime.instances.worker.process import (
    KILL_GRACE_SECONDS,
    KilledInLoadError,
    NotSpawnedError,
    WorkerProcess,
)
from panope_server.runtime.instances.worker.socket import WorkerSocket
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.processes.child_process import describe_exit, was_killed
from panope_server.runtime.processes.process_supervisor import Exit, LivenessProbe
from panope_server.runtime.status import InstanceState, InstanceView

_log = structlog.get_logger("panope.instances")

LOST_RETRY_SECONDS = 1.0
#: `batching` of workers that run any texts together, or none but tensors.
UNRESTRICTED = ("any", "")
#: Reasons for the end of a worker that lived and did not get on.
ABORTED = ("hang", "silent")


class Instance(ModelInstance):
    """One worker process that runs one plan.

    Args:
        name: unique in this server.
        listener: told about capacity and answers, from the event loop.
        role: which calls it runs.
        devices: that it runs on; empty for the plan's.
    """

    def __init__(
        self,
        name: str,
        plan: LoadPlan,
        workers: Workers,
        listener: Listener,
        role: Role = Role.ANY,
        devices: Sequence[str] = (),
    ) -> None:
        super().__init__(name, plan, workers, listener)
        self._devices = devices or (plan.device,)
        self.device = self._devices[0]
        self._role = role
        self._workers = workers
        self._guests = Guests(self._send)
        self._in_flight = Entries()
        self._suspects = Suspects()
        self._ready_since = self._last_answer = 0.0
        self._generation: wire.GenerationStatistics | None = None
        self._socket = WorkerSocket(self._frame, self._lost, self._capacity_freed)
        self._process = WorkerProcess(name, plan, self._socket, in_background=role is Role.BACKGROUND)
        self._loaded: asyncio.Future[wire.Ready] = asyncio.get_running_loop().create_future()

    @property
    def role(self) -> Role:
        """Which calls it runs."""
        return self._role

    @property
    def pid(self) -> int:
        """The process id; 0 before the start and after the end."""
        return self._process.pid

    @property
    def held(self) -> Entries:
        """The calls that it has."""
        return self._in_flight

    @property
    def in_flight_items(self) -> int:
        """The items of the calls of its own model."""
        return self.items_of(self.listener)

    def items_of(self, tenant: Tenant) -> int:
        """The items of the calls of one of the models that it runs."""
        return self._in_flight.items_of(tenant) if self._guests else self._in_flight.items

    def fits(self, entry: Entry) -> bool:
        """Whether work may be handed over: the window has room for it, and neither call nor caller has its share."""
        workers = self._workers
        return (
            self.has_room(entry)
            and self.leaves_reserve(entry)
            and self._in_flight.leaves_room(entry, workers.max_in_flight_items, workers.max_in_flight_bytes)
        )

    def leaves_reserve(self, entry: Entry) -> bool:
        """Whether work leaves the places free that are kept for other callers and for high priority."""
        workers = self._workers
        return self._in_flight.leaves_reserve(
            entry, workers.max_in_flight_items, workers.max_in_flight_bytes, self._slots
        )

    def has_room(self, entry: Entry) -> bool:
        """Whether the window has room; what exceeds the window, or must be alone, goes to an empty worker."""
        if not self._role.takes(entry.priority):
            return False
        if self.state is not InstanceState.READY or self._socket.clogged:
            return False
        first = self._in_flight.first()
        if not self.breaker.admits(is_idle=first is None):
            return False
        if first is None:
            return True
        if first.alone or entry.alone:
            return False
        workers, held = self._workers, self._in_flight
        return (
            held.has_slots(entry, self._slots)
            and held.items + entry.items <= workers.max_in_flight_items
            and held.bytes + entry.size_bytes <= workers.max_in_flight_bytes
        )

    @property
    def _slots(self) -> int:
        return self.ready.slots if self.ready is not None else 0

    @property
    def served_seconds(self) -> float:
        """From when it was ready to the last good part of an answer; 0 before."""
        return max(0.0, self._last_answer - self._ready_since)

    async def start(self) -> None:
        """Starts the process and returns when the model has answered a trial run.

        Raises:
            PanopeError: why the model could not be loaded.
        """
        started = time.monotonic()
        try:
            await self._process.start()
        except NotSpawnedError:
            self.end_reason = "not started"
            raise
        self._send(load_frame(self.plan, self._workers, self._devices))
        await self._wait_until_loaded()
        self.state = InstanceState.READY
        self.ready_at, self._ready_since = datetime.now(UTC), time.monotonic()
        self._tell_ready(round(time.monotonic() - started, 3))

    def _tell_ready(self, seconds: float) -> None:
        _log.info(
            "instance_ready",
            instance=self.name,
            model=self.plan.model,
            pid=self.pid,
            role=self._role,
            duration_seconds=seconds,
        )
        batching = self.ready.batching if self.ready is not None else ""
        if batching not in UNRESTRICTED:
            _log.warning("batching_restricted", instance=self.name, model=self.plan.model, batching=batching)

    def submit(self, entry: Entry) -> None:
        """Hands a request of its own model over; `entry.parts` gets the answer."""
        self.submit_of(self.listener, entry, entry.frame)

    def submit_of(self, tenant: Tenant, entry: Entry, frame: bytes) -> None:
        """Hands a request of one of the models that it runs over, as the frame that the worker gets."""
        entry.tenant = tenant
        entry.dispatched = time.monotonic()
        entry.withdraw = self._withdraw
        entry.parts.flow = partial(self._flow, entry.id)
        self._in_flight.add(entry)
        self._process.write(frame)

    def _flow(self, entry_id: int, paused: bool) -> None:
        """Tells the worker whether the reader of an answer is behind."""
        if self._in_flight.get(entry_id) is not None:
            self._send(wire.ServerFrame(id=entry_id, flow=wire.Flow(paused=paused)))

    def _withdraw(self, entry: Entry) -> None:
        self._send(wire.ServerFrame(id=entry.id, cancel=wire.Cancel()))
        # The worker may be at it all the same, and die of it.
        self._suspects.withdraw(entry)
        if self._guests:  # who withdraws tells the queue of its own model alone
            asyncio.get_running_loop().call_soon(self._capacity_freed)

    async def attach(self, guest: Guest) -> wire.Ready:
        """Has the worker load an adapter beside its model.

        Raises:
            PanopeError: why it runs nowhere, or not here.
        """
        if self.state is not InstanceState.READY:
            raise AvailabilityError("the worker of the base model does not answer", retry_after_seconds=1.0)
        return await self._guests.load(guest)

    def detach(self, guest: Guest, error: PanopeError) -> None:
        """Has the worker forget an adapter; the calls that it still has fail with the error."""
        if self._guests.remove(guest):
            for entry in self._in_flight.of(guest):
                self._withdraw(entry)
                entry.fail(error)
            self._capacity_freed()

    def _capacity_freed(self) -> None:
        for tenant in self._guests.in_turn(self.listener):
            tenant.capacity_freed()

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
        self._process.kill()

    async def wait(self) -> Exit:
        """Waits until the process is gone and all that it wrote was read."""
        code = await self._process.wait()
        return Exit(code, self.end_reason or describe_exit(code), self.served_seconds)

    def liveness(self) -> LivenessProbe:
        """The worker must say something."""
        timeout = self._workers.heartbeat_timeout_seconds
        return worker_liveness(
            lambda: self._socket.heard, self.closed, timeout, self._went_silent, self._process.leave_if_killed
        )

    def end_silent(self, failed_checks: int) -> None:
        """Ends the worker because it has said nothing in so many checks."""
        self._abort("silent", silent_seconds=failed_checks * CHECK_SECONDS)

    def output_tail(self, lines: int) -> list[str]:
        """The last lines that the worker wrote."""
        return self._process.last_lines(lines)

    def view(self, restart_count: int) -> InstanceView:
        """What people may see of it; what it generates is that of all models that it runs."""
        view, told = super().view(restart_count), self._generation
        devices = tuple(dict.fromkeys(self._devices))
        return replace(view, devices=devices, generation=statistics_of(told), token_intervals=intervals_of(told))

    async def _wait_until_loaded(self) -> None:
        timeout = self._workers.start_timeout_seconds
        try:
            async with asyncio.timeout(timeout):
                self.ready = await self._loaded
        except TimeoutError:
            self.kill("loading took too long")
            await self.wait()
            told = f"the backend `{self.plan.backend}` did not load the model within {timeout:g} seconds"
            raise InternalError(told) from None
        except PanopeError:
            code = await self._end_after_failure()
            if was_killed(code) and not self.end_reason:
                raise KilledInLoadError.of_exit(self.plan.backend, code) from None
            raise
        except asyncio.CancelledError:
            self.kill("loading was stopped")
            raise

    async def _end_after_failure(self) -> int:
        """Waits for the end of a worker that could not load; its exit code."""
        try:
            async with asyncio.timeout(KILL_GRACE_SECONDS):
                return (await self.wait()).code
        except TimeoutError:
            self.kill("did not end after a failure")
            return (await self.wait()).code

    def _send(self, frame: wire.ServerFrame) -> None:
        self._process.write(encode_frame(frame))

    def _went_silent(self) -> None:
        if self.state is InstanceState.READY:
            self.state = InstanceState.UNRESPONSIVE
            _log.warning("instance_unresponsive", instance=self.name, model=self.plan.model)
            self._tell_state()

    def _responds_again(self) -> None:
        self.state = InstanceState.READY
        _log.info("instance_responsive", instance=self.name, model=self.plan.model)
        self._tell_state()

    def _tell_state(self) -> None:
        self.listener.responsiveness_changed(self)
        self._guests.changed(self.state)

    def _frame(self, data: bytes) -> None:
        if self.state is InstanceState.UNRESPONSIVE:
            self._responds_again()
        frame = wire.WorkerFrame.FromString(data)
        if frame.parts:
            self._receive(frame.parts)
        match frame.WhichOneof("body"):
            case "heartbeat":
                self._beat(frame.heartbeat)
            case "ready":
                if not self._loaded.done():
                    self._loaded.set_result(frame.ready)
            case "failure":
                if not self._loaded.done():
                    self._loaded.set_exception(error_of(frame.failure))
            case "adapter":
                self._guests.loaded(frame.adapter)

    def _receive(self, parts: Iterable[wire.Part]) -> None:
        """Hands parts to those who wait for them; capacity is told of once for all."""
        has_ended, now = False, time.monotonic()
        for part in parts:
            entry = self._in_flight.get(part.id)
            if entry is None:
                continue  # cancelled while its answer was on the way
            entry.receive(part)
            if not part.HasField("failure"):
                self._last_answer = now
            if part.last:
                has_ended = True
                if entry.tenant is self.listener:
                    self.count_end(entry, part)
                (entry.tenant or self.listener).answered(entry, part)
        if has_ended:
            self._capacity_freed()

    def _beat(self, heartbeat: wire.Heartbeat) -> None:
        self.resident_bytes = heartbeat.resident_bytes
        held = heartbeat.device_memory_bytes, *heartbeat.peer_device_memory_bytes
        self.device_memory = tuple(zip(self._devices, held, strict=False))
        self._suspects.busy_ids = heartbeat.busy_ids
        self._generation = heartbeat.generation if heartbeat.HasField("generation") else None
        limit = self._workers.hang_timeout_seconds * 1000
        if max(heartbeat.running_milliseconds, heartbeat.preparing_milliseconds) > limit:
            running, preparing = heartbeat.running_milliseconds, heartbeat.preparing_milliseconds
            self._abort("hang", running_ms=running, preparing_ms=preparing)

    def _abort(self, reason: str, **facts: float) -> None:
        """Ends a worker that does not get on; once."""
        if self.end_reason in ABORTED:
            return
        _log.error("worker_hung", instance=self.name, model=self.plan.model, reason=reason, **facts)
        self.end_reason = reason
        self._process.abort()

    def _lost(self) -> None:
        was_loaded = self.state.is_loaded
        if self.state is not InstanceState.DRAINING:
            self.state = InstanceState.BACKING_OFF
        if not self._loaded.done():
            self._loaded.set_exception(InternalError("the worker ended while it loaded the model"))
            self._loaded.exception()  # told to whoever waits; nobody may be waiting any more
        self._process.disconnect()
        if was_loaded:
            # Without its socket the process is of no use; at its own end it has a moment left, and an exit code.
            asyncio.get_running_loop().call_later(KILL_GRACE_SECONDS, self._process.kill)
        held = self._in_flight.drain()
        for entry in held:
            entry.fail(
                InstanceLostError(
                    f"the worker of model `{self.plan.model}` ended while it had this call; another starts: try again",
                    retry_after_seconds=LOST_RETRY_SECONDS,
                )
            )
        is_draining = self.state is InstanceState.DRAINING
        suspects = () if is_draining else self._suspects.of(held, hung=self.end_reason == "hang")
        try:
            self._guests.lost(suspects)
            self.listener.lost(self, suspects)
        finally:
            self.closed.set()
