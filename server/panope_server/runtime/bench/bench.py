"""Measures a model's candidates, one after another, on the worker program and over the socket that serve calls."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

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
from panope_server.runtime.bench.reference import Answers, compared, reference_of
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.agreement import agrees
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.runtime.placement.selection.candidate import Candidate
from panope_server.runtime.placement.selection.machine import device_title
from panope_server.runtime.placement.workloads import measured_tasks, workloads_of
from panope_server.tasks.catalog import AnyTask, requests_of, task_of
from panope_server.tasks.task import Input, MeasuredModel, Output, Workload

_CONTEXT = CallContext("bench")

WARM_UP_SECONDS = 1.0
"""At least one call, and calls for so long before the first that counts."""
COMPARED_CALLS = 2
"""Of each workload, whose answers are compared with the reference's."""
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

    @property
    def is_wrong(self) -> bool:
        """Whether it answers otherwise than the reference, however fast it is."""
        return not all(map(agrees, self.profiles))


class _Running(NamedTuple):
    """A candidate that serves."""

    runtime: ModelRuntime
    model: MeasuredModel


class _Answers(NamedTuple):
    """What a candidate answered."""

    by_workload: Answers
    label: str


def _each_precision(candidates: Sequence[Candidate], constraints: LoadConstraints) -> list[Candidate]:
    """Every candidate in each precision that its device computes natively, or in the one that is asked for."""
    asked = constraints.precision
    return [
        replace(candidate, precision=precision)
        for candidate in candidates
        for precision in ([asked] if asked in candidate.device.precisions else candidate.device.precisions)
    ]


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
        """Measures each candidate in turn, in each precision that its device computes natively; the reference first.

        The reference answers even where the constraints leave it out: what is measured is held to its answers.

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
        await self._planner.selector.refuse_impossible(entry, constraints)
        wanted = _each_precision((await self._planner.selector.select(entry, constraints)).candidates, constraints)
        left = await self._everything(entry, constraints) or list(wanted)
        reference, answers = None, _Answers({}, "")
        while left and reference is None:
            nearest = reference_of(left)
            left.remove(nearest)
            is_wanted = nearest in wanted
            measured, answers = await self._measure(entry, nearest, workloads, None, only_answers=not is_wanted)
            reference = nearest if answers.by_workload else None
            if is_wanted:
                wanted.remove(nearest)
                yield measured
        for candidate in wanted:
            expected = None if reference is None else (reference, answers)
            yield (await self._measure(entry, candidate, workloads, expected))[0]

    async def _everything(self, entry: ModelEntry, constraints: LoadConstraints) -> list[Candidate]:
        """Every way to run the model, from which the reference is taken; none where they are what is measured."""
        if constraints == UNCONSTRAINED:
            return []
        try:
            return _each_precision((await self._planner.selector.select(entry)).candidates, UNCONSTRAINED)
        except PanopeError:
            return []

    async def _measure(
        self,
        entry: ModelEntry,
        candidate: Candidate,
        workloads: Sequence[Workload],
        expected: tuple[Candidate, _Answers] | None,
        *,
        only_answers: bool = False,
    ) -> tuple[Measured, _Answers]:
        async def plan(_: LoadConstraints, _failed: Sequence[FailedPlan]) -> LoadPlan:
            return prepared

        try:
            prepared = await self._planner.preparer.prepare(entry, candidate, entry.name, "it is being measured")
        except PanopeError as error:
            return Measured(candidate.label, candidate.precision, failure=error.message), _Answers({}, "")
        runtime = ModelRuntime(ResolvedName(entry.name), self._settings, Metrics(), plan, lambda *_: None)
        started = time.monotonic()
        try:
            await runtime.load()
            load_seconds = time.monotonic() - started
            running = _Running(runtime, MeasuredModel(entry.architecture, runtime.facts, runtime.inputs))
            suitable = [workload for workload in workloads if workload.suits(running.model)]
            if not suitable:
                raise PreconditionError("there is no workload for what this model takes", reason="no_workload")
            answers = _Answers({each.name: await self._answers(running, each) for each in suitable}, candidate.label)
            profiles = (
                []
                if only_answers
                else [
                    await self._profile(running, candidate, prepared, load_seconds, workload) for workload in suitable
                ]
            )
        except PanopeError as error:
            return Measured(candidate.label, candidate.precision, failure=error.message), _Answers({}, "")
        finally:
            await runtime.unload()
        reference, theirs = expected or (candidate, answers)
        told = [
            replace(
                each,
                details={
                    **each.details,
                    **compared(theirs.by_workload, answers.by_workload, each.workload, reference, candidate),
                },
            )
            for each in profiles
        ]
        measured = Measured(
            candidate.label, candidate.precision, tuple(told), max_background_load=self._max_background_load
        )
        return measured, answers

    async def _profile(
        self, running: _Running, candidate: Candidate, plan: LoadPlan, load_seconds: float, workload: Workload
    ) -> Profile:
        await self._calls(running, workload, min(WARM_UP_SECONDS, self._seconds))
        (view,) = running.runtime.instance_views()
        share, latencies = await self._least_disturbed(running, workload, view.pid)
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

    async def _answers(self, running: _Running, workload: Workload) -> Sequence[tuple[Input, Output]]:
        """What it answers to the first inputs of a workload, which are the same for every candidate."""
        found = []
        for number in range(COMPARED_CALLS):
            task_input = workload.input(number, running.model)
            task, parts = task_of(task_input), list[Output]()

            async def keep(data: bytes, task: AnyTask = task, parts: list[Output] = parts) -> None:
                parts.append(task.decode(data))

            await running.runtime.run(requests_of(task_input), _CONTEXT, Placement(), keep)
            found.append((task_input, parts[0] if len(parts) == 1 else task.join(parts)))
        return found

    async def _least_disturbed(self, running: _Running, workload: Workload, pid: int) -> tuple[float, list[float]]:
        """What others took of the processors, and the time of each call; of the quietest attempt."""
        attempts: list[tuple[float, list[float]]] = []
        while len(attempts) < ATTEMPTS:
            background = BackgroundLoad(pid)
            latencies = await self._calls(running, workload, self._seconds)
            attempts.append((background.share(), latencies))
            if attempts[-1][0] <= self._max_background_load:
                break
        return min(attempts, key=lambda attempt: attempt[0])

    async def _calls(self, running: _Running, workload: Workload, seconds: float) -> list[float]:
        """The time of each call, one at a time, at least one."""
        latencies: list[float] = []
        end = time.monotonic() + seconds
        while not latencies or time.monotonic() < end:
            task_input = workload.input(COMPARED_CALLS + len(latencies), running.model)
            started = time.monotonic()
            await running.runtime.run(requests_of(task_input), _CONTEXT, Placement(), _ignore)
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
