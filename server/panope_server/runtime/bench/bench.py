"""Measures a model's candidates, in turns, on the worker program and over the socket that serve calls."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
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
    processor_seconds,
)
from panope_server.runtime.bench.measured import PROCESSOR_SECONDS, Measured, peak_bytes, quantile
from panope_server.runtime.bench.reference import Answers, compared, reference_of
from panope_server.runtime.bench.turns import together
from panope_server.runtime.bench.wanted import EVERYTHING, Wanted
from panope_server.runtime.call_context import CallContext
from panope_server.runtime.models.model import ModelRuntime
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.placement.constraints import UNCONSTRAINED, LoadConstraints
from panope_server.runtime.placement.placement import Placement
from panope_server.runtime.placement.plan import FailedPlan, LoadPlan
from panope_server.runtime.placement.planning.load_planner import LoadPlanner
from panope_server.runtime.placement.selection.candidate import Candidate, Way
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
"""A turn that is disturbed is run again, so often in all at most."""
TURNS = 3
"""Candidates that are measured side by side run each workload so often, one after another, each time for a part."""


@dataclass
class _Running:
    """A candidate that serves.

    Attributes:
        workloads: that suit it.
        answers: of it to the first inputs of each workload, by the workload's name.
        taken: by the name of each workload, what was measured in each turn.
    """

    candidate: Candidate
    plan: LoadPlan
    runtime: ModelRuntime
    model: MeasuredModel
    workloads: Sequence[Workload]
    load_seconds: float
    answers: Answers = field(default_factory=dict)
    taken: dict[str, list[_Turn]] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """Of its worker."""
        (view,) = self.runtime.instance_views()
        return view.pid


class _Turn(NamedTuple):
    """What one candidate did in its turn of a workload.

    Attributes:
        share: of all processors' time, that others took.
        latencies: of each call.
        processor_seconds: that its worker took.
    """

    share: float
    latencies: Sequence[float]
    processor_seconds: float


class _Expected(NamedTuple):
    """What every candidate is held to: the reference, and its answers by workload."""

    reference: Candidate
    answers: Answers


def _each_precision(candidates: Sequence[Candidate], constraints: LoadConstraints) -> list[Candidate]:
    """Every candidate in each precision that its device computes natively, or in the one that is asked for."""
    asked = constraints.precision
    return [
        replace(candidate, precision=precision)
        for candidate in candidates
        for precision in ([asked] if asked in candidate.device.precisions else candidate.device.precisions)
    ]


def _nearest_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Whose answers others may be held to, the nearest to the published model first."""
    left, ordered = list(candidates), []
    while left:
        ordered.append(reference_of(left))
        left.remove(ordered[-1])
    return ordered


class _Workers:
    """The candidates of a model that serve at a time; all have ended when it is left."""

    def __init__(self, bench: Bench, entry: ModelEntry, workloads: Sequence[Workload]) -> None:
        self._bench = bench
        self._entry = entry
        self._workloads = workloads
        self._running: dict[Way, _Running] = {}

    async def __aenter__(self) -> _Workers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def start(self, candidate: Candidate) -> _Running | Measured:
        """Has a candidate serve, which perhaps it does already; or why it does not."""
        found = self._running.get(candidate.way) or await self._bench.start(self._entry, candidate, self._workloads)
        if isinstance(found, _Running):
            self._running[candidate.way] = found
        return found

    async def end(self) -> None:
        """Ends them."""
        while self._running:
            await self._running.popitem()[1].runtime.unload()


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

    async def run(
        self, entry: ModelEntry, constraints: LoadConstraints, wanted: Wanted = EVERYTHING
    ) -> AsyncIterator[Measured]:
        """Measures candidates side by side, in each precision that their device computes natively; the reference first.

        The reference answers even where it is not to be measured: what is measured is held to its answers.

        Args:
            entry: of the model.
            constraints: that candidates must meet.
            wanted: the backends and devices to measure on.

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
        wanted.refuse_unknown(await self._planner.selector.devices())
        selection = await self._planner.selector.select(entry, constraints)
        missing = wanted.missing(selection)
        left = [each for each in _each_precision(selection.candidates, constraints) if wanted.includes(each.device)]
        if not left:
            raise PreconditionError(
                f"model `{entry.name}` runs on nothing of that: {'; '.join(map(str, missing))}", reason="no_backend"
            )
        for rejection in missing:
            yield Measured(rejection.label, "", failure=rejection.reason)
        async with _Workers(self, entry, workloads) as workers:
            expected = None
            for candidate in _nearest_first(await self._everything(entry, constraints, wanted) or left):
                found = await workers.start(candidate)
                mine = [each for each in left if each.way == candidate.way]
                left = [each for each in left if each.way != candidate.way]
                if isinstance(found, _Running):
                    expected = _Expected(candidate, found.answers)
                    left = mine + left
                    if not mine:
                        await workers.end()  # it takes memory from those that are measured
                    break
                if mine:
                    yield found
            for group in together(left):
                serving = []
                for candidate in group:
                    found = await workers.start(candidate)
                    if isinstance(found, _Running):
                        serving.append(found)
                    else:
                        yield found
                failures = await self._turns(serving)
                for each in serving:
                    yield await self._result(each, failures.get(each.candidate.way, ""), expected)
                await workers.end()

    async def _everything(self, entry: ModelEntry, constraints: LoadConstraints, wanted: Wanted) -> Sequence[Candidate]:
        """Every way to run the model, from which the reference is taken; none where they are what is measured."""
        if constraints == UNCONSTRAINED and wanted == EVERYTHING:
            return []
        try:
            return _each_precision((await self._planner.selector.select(entry)).candidates, UNCONSTRAINED)
        except PanopeError:
            return []

    async def start(
        self, entry: ModelEntry, candidate: Candidate, workloads: Sequence[Workload]
    ) -> _Running | Measured:
        """Has a candidate serve and answer the first inputs of each workload; or why it does not, with nothing left."""

        async def plan(_: LoadConstraints, _failed: Sequence[FailedPlan]) -> LoadPlan:
            return prepared

        try:
            prepared = await self._planner.preparer.prepare(entry, candidate, entry.name, "it is being measured")
        except PanopeError as error:
            return Measured(candidate.label, candidate.precision, failure=error.message)
        runtime = ModelRuntime(ResolvedName(entry.name), self._settings, Metrics(), plan, lambda *_: None)
        running = None
        try:
            started = time.monotonic()
            await runtime.load()
            load_seconds = time.monotonic() - started
            model = MeasuredModel(entry.architecture, runtime.facts, runtime.inputs)
            suitable = [workload for workload in workloads if workload.suits(model)]
            if not suitable:
                raise PreconditionError("there is no workload for what this model takes", reason="no_workload")
            found = _Running(candidate, prepared, runtime, model, suitable, load_seconds)
            found.answers = {each.name: await self._answers(found, each) for each in suitable}
            running = found
        except PanopeError as error:
            return Measured(candidate.label, candidate.precision, failure=error.message)
        finally:
            if running is None:
                await runtime.unload()
        return running

    async def _turns(self, serving: Sequence[_Running]) -> dict[Way, str]:
        """Runs the workloads in turns, so that what disturbs the machine for a while disturbs all alike.

        Returns:
            Why candidates could not run theirs.
        """
        failures: dict[Way, str] = {}
        names = dict.fromkeys(workload.name for each in serving for workload in each.workloads)
        turns = TURNS if len(serving) > 1 else 1
        for name, turn in itertools.product(names, range(turns)):
            for each in serving:
                workload = next((known for known in each.workloads if known.name == name), None)
                if workload is None or each.candidate.way in failures:
                    continue
                try:
                    if turn == 0:
                        await self._calls(each, workload, min(WARM_UP_SECONDS, self._seconds))
                    taken = await self._least_disturbed(each, workload, each.pid, self._seconds / turns)
                except PanopeError as error:
                    failures[each.candidate.way] = error.message
                else:
                    each.taken.setdefault(name, []).append(taken)
        return failures

    async def _result(self, running: _Running, failure: str, expected: _Expected | None) -> Measured:
        """What was measured of a candidate, with how much it agrees."""
        candidate = running.candidate
        if failure:
            return Measured(candidate.label, candidate.precision, failure=failure)
        reference, theirs = expected or (candidate, running.answers)
        profiles = []
        for workload in running.workloads:
            profile = await self._profile(running, workload)
            agreement = compared(theirs, running.answers, workload.name, reference, candidate)
            profiles.append(replace(profile, details={**profile.details, **agreement}))
        return Measured(
            candidate.label, candidate.precision, tuple(profiles), max_background_load=self._max_background_load
        )

    async def _profile(self, running: _Running, workload: Workload) -> Profile:
        candidate, plan = running.candidate, running.plan
        (view,) = running.runtime.instance_views()
        turns = running.taken[workload.name]
        latencies = [latency for turn in turns for latency in turn.latencies]
        return Profile(
            variant_digest=plan.variant_digest,
            backend=plan.backend,
            engine_version=candidate.device.engine_version,
            device=device_title(candidate.device, candidate.tensor_parallel),
            precision=view.precision,
            workload=workload.name,
            items_per_second=len(latencies) * workload.items / sum(latencies),
            latency_p50_seconds=quantile(latencies, 0.5),
            latency_p99_seconds=quantile(latencies, 0.99),
            memory_bytes=max(await asyncio.to_thread(peak_bytes, view.pid), view.resident_bytes),
            load_seconds=running.load_seconds,
            measured_at=now(),
            details={
                "calls": len(latencies),
                "seconds": round(sum(latencies), 3),
                BACKGROUND_LOAD: round(max(turn.share for turn in turns), 3),
                PROCESSOR_SECONDS: round(
                    sum(turn.processor_seconds for turn in turns) / (len(latencies) * workload.items), 6
                ),
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

    async def _least_disturbed(self, running: _Running, workload: Workload, pid: int, seconds: float) -> _Turn:
        """The quietest attempt of a turn."""
        attempts: list[_Turn] = []
        while len(attempts) < ATTEMPTS:
            background, before = BackgroundLoad(pid), processor_seconds(pid)
            latencies = await self._calls(running, workload, seconds)
            attempts.append(_Turn(background.share(), latencies, processor_seconds(pid) - before))
            if attempts[-1].share <= self._max_background_load:
                break
        return min(attempts, key=lambda attempt: attempt.share)

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
