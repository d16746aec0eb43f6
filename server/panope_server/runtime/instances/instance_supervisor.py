"""Keeps one place for an instance of a model filled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from panope_backends.errors import InternalError, PanopeError
from panope_backends.retry import RetryPolicy
from panope_server.config import Workers
from panope_server.runtime.instances.adapter_instance import AdapterInstance, FindHost, HostGoneError
from panope_server.runtime.instances.instance import Instance
from panope_server.runtime.instances.model_instance import Listener, ModelInstance
from panope_server.runtime.instances.role import Role
from panope_server.runtime.instances.worker.process import NotSpawnedError
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.processes.process_supervisor import Exit, LivenessProbe, RestartPolicy, Supervisor
from panope_server.runtime.status import InstanceView

_log = structlog.get_logger("panope.instances")

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0
CRASH_LIMIT = 5
CRASH_WINDOW_SECONDS = 600.0
#: Of answers: what ends after that is no crash loop, see docs/decisions/0657.
SERVED_SECONDS = 5.0

#: Before a place that was given up is tried again, while its group goes on.
RETRIES = RetryPolicy(base_seconds=10.0, cap_seconds=300.0, jitter=0.2)


class Owner(Listener, Protocol):
    """What a supervisor tells the model it works for."""

    def instance_ready(self, instance: ModelInstance) -> None:
        """An instance serves."""

    def gave_up(self, error: PanopeError) -> None:
        """Nothing serves in this place, and nothing will before the next try."""

    def host_gone(self) -> None:
        """The instance was in the worker of another model, which is not loaded any more."""


class InstanceSupervisor:
    """Owns one place for an instance: a new one takes it when the one before has died.

    A place whose first instance cannot be started, or whose instances die again and again, is given up, and tried again
    in the background until it is stopped: its owner stops it unless others of the group serve.

    Args:
        name: of the place; every instance in it has it.
        owner: told what happens, from the event loop.
        find_host: finds the instance that an adapter runs in.
        role: which calls the instance runs; an adapter's has its host's.
        devices: that the instance runs on; empty for the plan's.
        clock: monotonic seconds.
        sleep: waits so many of them.

    Attributes:
        instance: that has the place, or had it last; None before the first.
        has_failed: whether the place is given up until the next try.
    """

    def __init__(
        self,
        name: str,
        plan: LoadPlan,
        workers: Workers,
        owner: Owner,
        find_host: FindHost,
        role: Role = Role.ANY,
        devices: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._find_host = find_host
        self._role, self._devices = role, devices
        self._name = name
        self._plan = plan
        self._workers = workers
        self._owner = owner
        self._supervisor = Supervisor(
            "instance", self, restart_policy(), _log, fields={"instance": name, "model": plan.model}, clock=clock
        )
        self._clock, self._sleep = clock, sleep
        self._tries = 0
        self.instance: ModelInstance | None = None
        self.has_failed = False
        self._given_up: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._filling = asyncio.create_task(self._fill())

    @property
    def restart_count(self) -> int:
        """How often an instance was started again, or that was tried."""
        return self._supervisor.restart_count + max(0, self._tries - 1)

    def takes(self, priority: int) -> bool:
        """Whether the place is for calls of a priority."""
        role = self._role if self.instance is None or not self._plan.host else self.instance.role
        return role.takes(priority)

    def view(self) -> InstanceView | None:
        """What people may see of the instance in this place."""
        return None if self.instance is None else self.instance.view(self.restart_count)

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - passed on to the instance
        """Ends the instance after its work and starts no other."""
        self._filling.cancel()
        await asyncio.wait([self._filling])
        await self._supervisor.stop()
        if self.instance is None:
            return
        if self.instance.state.is_loaded:
            await self.instance.drain(timeout)
        await self.instance.wait()

    # As its supervisor sees it, the program is whichever instance has the place.

    async def start(self) -> None:
        """Starts an instance."""
        self.instance = self._made()
        try:
            await self.instance.start()
        except HostGoneError:
            self._owner.host_gone()
            raise
        self.has_failed = False
        self._owner.instance_ready(self.instance)

    async def wait(self) -> Exit:
        """Returns when the instance has ended and its calls have failed."""
        instance = self._current()
        await instance.closed.wait()
        return await instance.wait()

    def liveness(self) -> LivenessProbe:
        """The instance's own probe."""
        return self._current().liveness()

    def end_silent(self, failed_checks: int) -> None:
        """Ends the instance."""
        self._current().end_silent(failed_checks)

    def last_output(self) -> Sequence[str]:
        """The last lines that the instance wrote."""
        return self._current().output_tail(5)

    def gave_up(self, error: Exception) -> None:
        """Its supervisor starts no further instance."""
        self._given_up.set_result(error)

    async def _fill(self) -> None:
        """Has an instance kept in the place; where that fails, tries it again after a pause, for ever."""
        failures = 0
        while True:
            self._tries += 1
            tried = self._clock()
            error = await self._keep_running()
            failures = 1 if self._clock() - tried > CRASH_WINDOW_SECONDS else failures + 1
            self.has_failed = True
            self._owner.gave_up(self._told(error))
            pause = round(RETRIES.delay_seconds(failures), 3)
            _log.warning("instance_retry", instance=self._name, model=self._plan.model, restart_in_seconds=pause)
            await self._sleep(pause)

    async def _keep_running(self) -> Exception:
        """Starts an instance, and others after it; returns why that was given up."""
        self._given_up = asyncio.get_running_loop().create_future()
        try:
            await self._supervisor.start()
        except Exception as error:
            return error
        return await self._given_up

    def _told(self, error: Exception) -> PanopeError:
        """What the owner is told; a defect here must end as a failed model, not as one that loads for ever."""
        if isinstance(error, PanopeError):
            return error
        if self.instance is not None:  # nobody would see its end
            self.instance.kill("its supervisor failed")
        return InternalError(f"model `{self._plan.model}` cannot be kept running")

    def _made(self) -> ModelInstance:
        if self._plan.host:
            return AdapterInstance(self._name, self._plan, self._workers, self._owner, self._find_host)
        return Instance(self._name, self._plan, self._workers, self._owner, self._role, self._devices)

    def _current(self) -> ModelInstance:
        assert self.instance is not None
        return self.instance


def restart_policy() -> RestartPolicy:
    """Pauses from half a second to a minute, none after a worker that served.

    A start for which the machine lacks the means is no crash of the model.
    """
    backoff = RetryPolicy(
        base_seconds=FIRST_BACKOFF_SECONDS,
        cap_seconds=MAX_BACKOFF_SECONDS,
        jitter=0.2,
        is_temporary=lambda error: isinstance(error, NotSpawnedError),
    )
    return RestartPolicy(
        backoff=backoff,
        crash_limit=CRASH_LIMIT,
        crash_window_seconds=CRASH_WINDOW_SECONDS,
        served_seconds=SERVED_SECONDS,
    )
