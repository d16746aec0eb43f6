"""Keeps one instance of a model running: starts it, starts it again when it dies, gives up on a crash loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog

from panope_backends.errors import InternalError, PanopeError
from panope_server.config import Workers
from panope_server.runtime.instances.instance import Instance, Listener, NotSpawnedError
from panope_server.runtime.placement.plan import LoadPlan
from panope_server.runtime.processes.signals import told_end
from panope_server.runtime.status import InstanceState, InstanceView

_log = structlog.get_logger("panope.instances")

FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0
_MAX_DOUBLINGS = 16
CRASH_LIMIT = 5
CRASH_WINDOW_SECONDS = 600.0


class Owner(Listener, Protocol):
    """What a supervisor tells the model it works for."""

    def instance_ready(self, instance: Instance) -> None:
        """An instance serves."""

    def gave_up(self, error: PanopeError) -> None:
        """No further instance will be started."""


class Supervisor:
    """Owns one place for an instance.

    Args:
        name: of the place; every instance in it has it.
        owner: told what happens, from the event loop.
        clock: monotonic seconds.
    """

    def __init__(
        self, name: str, plan: LoadPlan, workers: Workers, owner: Owner, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._plan = plan
        self._workers = workers
        self._owner = owner
        self._clock = clock
        self._crashes: deque[float] = deque(maxlen=CRASH_LIMIT)
        self._not_spawned = 0
        self._stopping = asyncio.Event()
        self.instance: Instance | None = None
        self.restart_count = 0
        self._task = asyncio.create_task(self._keep())

    def view(self) -> InstanceView | None:
        """What people may see of the instance in this place."""
        return None if self.instance is None else self.instance.view(self.restart_count)

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - passed on to the instance
        """Ends the instance after its work and starts no other."""
        self._stopping.set()
        if self.instance is not None and self.instance.state is InstanceState.READY:
            await self.instance.drain(timeout)
        elif self.instance is not None and self.instance.state is InstanceState.STARTING:
            self.instance.kill("unloaded while it loaded")
        await self._task

    async def _keep(self) -> None:
        try:
            while not self._stopping.is_set():
                if not await self._one_life() or self._stopping.is_set():
                    return
                await self._back_off()
        except Exception as error:  # a defect here must end as a failed model, not as one that loads for ever
            _log.error("supervisor_failed", instance=self._name, exc_info=error)
            if self.instance is not None:  # nobody would see its end
                self.instance.kill("its supervisor failed")
            self._owner.gave_up(InternalError(f"model `{self._plan.model}` cannot be kept running"))

    async def _one_life(self) -> bool:
        """One instance from start to end; whether there should be another."""
        instance = self.instance = Instance(self._name, self._plan, self._workers, self._owner)
        try:
            await instance.start()
        except PanopeError as error:
            return self._did_not_start(instance, error)
        if self._stopping.is_set():
            await instance.drain(self._workers.drain_timeout_seconds)
            return False
        self._not_spawned = 0
        self._owner.instance_ready(instance)
        await instance.watch()
        code = await instance.wait()
        reason = instance.end_reason or told_end(code)
        if instance.state is not InstanceState.DRAINING:
            _log.warning("instance_lost", instance=self._name, model=self._plan.model, exit_code=code, reason=reason)
        return self._count_crash(instance, InternalError(f"its worker ends again and again: {reason}"))

    def _did_not_start(self, instance: Instance, error: PanopeError) -> bool:
        if self._stopping.is_set():
            return False
        _log.error(
            "instance_start_failed",
            instance=self._name,
            model=self._plan.model,
            reason=error.reason,
            error=error.message,
            last_output=instance.output_tail(5),
        )
        if self.restart_count == 0:
            self._owner.gave_up(error)
            return False
        if isinstance(error, NotSpawnedError):  # the machine's fault, which ends without anybody's doing
            self._not_spawned += 1
            return True
        self._not_spawned = 0
        return self._count_crash(instance, error)

    def _count_crash(self, instance: Instance, error: PanopeError) -> bool:
        if self._stopping.is_set() or instance.state is InstanceState.DRAINING:
            return False
        self.restart_count += 1
        self._crashes.append(self._clock())
        in_a_row = len(self._crashes) == CRASH_LIMIT and self._crashes[-1] - self._crashes[0] < CRASH_WINDOW_SECONDS
        if in_a_row:
            self._owner.gave_up(error)
        return not in_a_row

    async def _back_off(self) -> None:
        seconds = backoff_seconds(len(self._crashes) + self._not_spawned)
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def backoff_seconds(crashes: int) -> float:
    """The time before the next start: doubling from half a second to a minute, ±20 %."""
    doublings = min(_MAX_DOUBLINGS, max(0, crashes - 1))
    seconds = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0**doublings)
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - spreads restarts, guards nothing
