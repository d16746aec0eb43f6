"""Measures a model's candidates, one after another, on the worker program and over the socket that serve calls."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from panope_backends.errors import PanopeError, PreconditionError
from panope_registry.registry import ModelEntry
from panope_registry.serving_records.profiles import Profile
from panope_registry.tables.columns import now
from panope_server.config import Settings
from panope_server.observability.metrics import Metrics
from panope_server.runtime.bench.background_load import (
    BACKGROUND_LOAD,
    MAX_BACKGROUND_LOAD,
    BackgroundLoad,
    background_load_of,
)
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import LoadConstraints
from panope_server.runtime.placement.load_planner import LoadPlanner
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.placement.ranking import Candidate
from panope_server.runtime.placement.selection import device_title
from panope_server.runtime.placement.workloads import measured_tasks, workloads_of
from panope_server.tasks.catalog import requests_of
from panope_server.tasks.task import Workload

_CONTEXT = CallContext("bench")

WARM_UP_SECONDS = 1.0
"""At least one call, and calls for so long before the first that counts."""
ATTEMPTS = 3
"""A workload that is disturbed is measured so often at most."""


@dataclass(frozen=True)
class Measured:
    """The result of one candidate: what was measured, or why nothing was."""

    label: str
    precision: str
    profiles: tuple[Profile, ...] = ()
    failure: str = ""
    max_background_load: float = MAX_BACKGROUND_LOAD

    @property
    def is_disturbed(self) -> bool:
        """Whether others took so much of the processors, in each attempt, that it says too little to decide."""
        return any(background_load_of(profile) > self.max_background_load for profile in self.profiles)


class Bench:
    """Runs every candidate of a model on this machine.

    Args:
        seconds: that each workload is run for, in each attempt.
        max_background_load: the part of all processors' time that others may take; past it a workload is run again.
    """

    def __init__(
        self,
        settings: Settings,
        planner: LoadPlanner,
        seconds: float,
        max_background_load: float = MAX_BACKGROUND_LOAD,
    ) -> None:
        workers = msgspec.structs.replace(settings.workers, instances=1, high_priority_instances=0)
        self._settings = msgspec.structs.replace(settings, workers=workers)
        self._planner = planner
        self._seconds = seconds
        self._max_background_load = max_background_load

    async def run(self, entry: ModelEntry, constraints: LoadConstraints) -> AsyncIterator[Measured]:
        """Measures each candidate in turn, in each precision that its device computes natively.

        Raises:
            PreconditionError: there is no candidate, or nothing to measure models of this task with.
        """
        workloads = workloads_of(entry.task)
        if not workloads:
            known = ", ".join(f"`{task}`" for task in measured_tasks())
            raise PreconditionError(
                f"model `{entry.name}` cannot be measured: its task is `{entry.task or 'unknown'}`, and there are "
                f"workloads for {known}",
                reason="no_workload",
            )
        await self._planner.refuse_impossible(entry, constraints)
        selection = await self._planner.select(entry, constraints)
        for candidate in selection.candidates:
            for precision in (
                [constraints.precision]
                if constraints.precision in candidate.device.precisions
                else candidate.device.precisions
            ):
                yield await self._measure(entry, replace(candidate, precision=precision), workloads)

    async def _measure(self, entry: ModelEntry, candidate: Candidate, workloads: Sequence[Workload]) -> Measured:
        async def plan(_: LoadConstraints, _failed: Sequence[FailedPlan]) -> LoadPlan:
            return prepared

        try:
            prepared = await self._planner.plan_candidate(entry, candidate, entry.name, "it is being measured")
        except PanopeError as error:
            return Measured(candidate.label, candidate.precision, failure=error.message)
        runtime = ModelRuntime(ResolvedName(entry.name), self._settings, Metrics(), plan, lambda *_: None)
        started = time.monotonic()
        try:
            await runtime.load()
            load_seconds = time.monotonic() - started
            found = [
                await self._profile(runtime, candidate, prepared, load_seconds, workload) for workload in workloads
            ]
        except PanopeError as error:
            return Measured(candidate.label, candidate.precision, failure=error.message)
        finally:
            await runtime.unload()
        return Measured(
            candidate.label, candidate.precision, tuple(found), max_background_load=self._max_background_load
        )

    async def _profile(
        self, runtime: ModelRuntime, candidate: Candidate, plan: LoadPlan, load_seconds: float, workload: Workload
    ) -> Profile:
        await self._calls(runtime, workload, min(WARM_UP_SECONDS, self._seconds))
        (view,) = runtime.instance_views()
        share, latencies = await self._least_disturbed(runtime, workload, view.pid)
        return Profile(
            variant_digest=plan.variant_digest,
            backend=plan.backend,
            engine_version=candidate.device.engine_version,
            device=device_title(candidate.device),
            precision=view.precision,
            workload=workload.name,
            items_per_second=len(latencies) * workload.items / sum(latencies),
            latency_p50_seconds=_quantile(latencies, 0.5),
            latency_p99_seconds=_quantile(latencies, 0.99),
            memory_bytes=await asyncio.to_thread(_peak_bytes, view.pid) or view.resident_bytes,
            load_seconds=load_seconds,
            measured_at=now(),
            details={
                "calls": len(latencies),
                "seconds": round(sum(latencies), 3),
                BACKGROUND_LOAD: round(share, 3),
            },
        )

    async def _least_disturbed(self, runtime: ModelRuntime, workload: Workload, pid: int) -> tuple[float, list[float]]:
        """What others took of the processors, and the time of each call; of the quietest attempt."""
        attempts: list[tuple[float, list[float]]] = []
        while len(attempts) < ATTEMPTS:
            background = BackgroundLoad(pid)
            latencies = await self._calls(runtime, workload, self._seconds)
            attempts.append((background.share(), latencies))
            if attempts[-1][0] <= self._max_background_load:
                break
        return min(attempts, key=lambda attempt: attempt[0])

    async def _calls(self, runtime: ModelRuntime, workload: Workload, seconds: float) -> list[float]:
        """The time of each call, one at a time, at least one."""
        latencies: list[float] = []
        end = time.monotonic() + seconds
        while not latencies or time.monotonic() < end:
            task_input = workload.input(len(latencies))
            started = time.monotonic()
            await runtime.run(requests_of(task_input), _CONTEXT, Placement(), _ignore)
            latencies.append(time.monotonic() - started)
        return latencies


async def _ignore(_: bytes) -> None:
    """Answers are not looked at."""


def _quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that so large a part of all does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def _peak_bytes(pid: int) -> int:
    """The most memory that a process has had; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
