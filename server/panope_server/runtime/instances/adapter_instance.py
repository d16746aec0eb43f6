"""An adapter in the worker of its base model: a place of its own, with its own state, in a process that others share.

Its calls run in the same steps as the base's and as those of other adapters there. It ends with the worker, and comes
back when the worker's place has another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import AvailabilityError, InternalError, PreconditionError
from panope_server.config import Workers
from panope_server.runtime.instances.in_flight import Entries, Entry
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.instances.liveness import CHECK_SECONDS
from panope_server.runtime.instances.model_instance import MODEL_NUMBERS, Listener, ModelInstance
from panope_server.runtime.instances.role import Role
from panope_server.runtime.instances.worker.frames import frame_to
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.processes.process_supervisor import Exit, LivenessProbe
from panope_server.runtime.status import InstanceState

_log = structlog.get_logger("panope.instances")

FindHost = Callable[[LoadPlan], Awaitable[Instance]]
"""The instance of the base that an adapter's plan means, once it serves; raises HostGoneError when it will not."""


class HostGoneError(PreconditionError):
    """The base is not loaded any more as it was when the adapter's place was chosen; another must be."""

    default_reason = "base_not_loaded"


class AdapterInstance(ModelInstance):
    """One adapter in one worker.

    Args:
        name: unique in this server.
        plan: says which model's instance it runs in.
        listener: told about capacity and answers, from the event loop.
        find_host: finds that instance.
    """

    def __init__(self, name: str, plan: LoadPlan, workers: Workers, listener: Listener, find_host: FindHost) -> None:
        super().__init__(name, plan, workers, listener)
        # Its own: while it is loaded anew, the old and the new may be in one worker, and so may two of its places.
        self.number = next(MODEL_NUMBERS)
        self._find_host = find_host
        self._timeout = workers.start_timeout_seconds
        self._host: Instance | None = None
        self._idle = asyncio.Event()

    @property
    def role(self) -> Role:
        """Its host's."""
        return Role.ANY if self._host is None else self._host.role

    @property
    def pid(self) -> int:
        """Of the worker that it is in."""
        return 0 if self._host is None else self._host.pid

    @property
    def in_flight_items(self) -> int:
        """The items of its own calls."""
        return 0 if self._host is None else self._host.items_of(self)

    @property
    def held(self) -> Entries:
        """Its host's."""
        return Entries() if self._host is None else self._host.held

    def fits(self, entry: Entry) -> bool:
        """As its host, whose window all share."""
        return self.has_room(entry) and self._host is not None and self._host.fits(entry)

    def has_room(self, entry: Entry) -> bool:
        """As its host, whose window all share."""
        if self.state is not InstanceState.READY or self._host is None:
            return False
        return self.breaker.admits(is_idle=not self.in_flight_items) and self._host.has_room(entry)

    def leaves_reserve(self, entry: Entry) -> bool:
        """As its host, whose window all share."""
        return self._host is not None and self._host.leaves_reserve(entry)

    def submit(self, entry: Entry) -> None:
        """Hands a request to the host."""
        assert self._host is not None
        self._host.submit_of(self, entry, frame_to(self.number, entry.frame))

    async def start(self) -> None:
        """Waits for the host, and has it load the adapter."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                self._host = await self._find_host(self.plan)
                self.ready = await self._host.attach(self)
        except TimeoutError:
            self.kill("loading took too long")
            raise InternalError(f"loading did not end within {self._timeout:g} seconds") from None
        except BaseException:
            self.kill("not loaded")
            raise
        self.state, self.ready_at = InstanceState.READY, datetime.now(UTC)
        seconds = round(time.monotonic() - started, 3)
        _log.info("instance_ready", instance=self.name, model=self.plan.model, pid=self.pid, duration_seconds=seconds)

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109 - two phases share it: wait, then end
        """Lets its calls end, or fails them when that takes longer; the host goes on."""
        self.state = InstanceState.DRAINING
        self._look_for_idleness()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        self.kill(self.end_reason or "drained")

    def kill(self, reason: str) -> None:
        """Has the host forget it; its calls fail."""
        self.end_reason = reason
        if self._host is not None:
            error = AvailabilityError(f"model `{self.plan.model}` was unloaded", retry_after_seconds=1.0)
            self._host.detach(self, error)
        self.closed.set()

    async def wait(self) -> Exit:
        """Waits until it has left the worker, or the worker has ended."""
        await self.closed.wait()
        return Exit(0, self.end_reason, 0.0 if self._host is None else self._host.served_seconds)

    def liveness(self) -> LivenessProbe:
        """None of its own: its host is watched."""

        async def lives() -> bool:
            return True

        return LivenessProbe(check=lives, period_seconds=CHECK_SECONDS, failure_threshold=1)

    def end_silent(self, failed_checks: int) -> None:
        """Never told; see `liveness`."""
        del failed_checks

    def output_tail(self, lines: int) -> list[str]:
        """The host's."""
        return [] if self._host is None else self._host.output_tail(lines)

    # What its host tells.

    def capacity_freed(self) -> None:
        """The worker can take more requests, of whichever model."""
        self._look_for_idleness()
        self.listener.capacity_freed()

    def answered(self, entry: Entry, last: wire.Part) -> None:
        """An entry of the adapter has the last part of its answer."""
        self.count_end(entry, last)
        self.listener.answered(entry, last)

    def host_changed(self, state: InstanceState) -> None:
        """The host does not answer, or answers again."""
        if self.state.is_loaded:
            self.state = state
            self.listener.responsiveness_changed(self)

    def host_lost(self, suspects: Collection[bytes]) -> None:
        """The host's worker is gone."""
        self.end_reason = self.end_reason or "the worker of its base model has ended"
        if self.state is not InstanceState.DRAINING:
            self.state = InstanceState.BACKING_OFF
        try:
            self.listener.lost(self, suspects)
        finally:
            self._idle.set()
            self.closed.set()

    def _look_for_idleness(self) -> None:
        if self.state is InstanceState.DRAINING and not self.in_flight_items:
            self._idle.set()
