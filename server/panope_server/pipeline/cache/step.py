"""Answers calls with what equal calls were answered before, and lets equal calls that come together run once."""

from __future__ import annotations

from typing import Any, Protocol

from panope_server.access.principal import current_principal
from panope_server.config import ResponseCacheSettings
from panope_server.pipeline.cache.each import EachAnswer
from panope_server.pipeline.cache.flights import Flights
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.keys import make_keys
from panope_server.pipeline.cache.lookup import Lookup, computed_by, mark
from panope_server.pipeline.cache.statistics import CacheCounts
from panope_server.pipeline.cache.unknown import run_and_keep
from panope_server.pipeline.cache.whole import WholeAnswer
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.runtime.models.computation import Computation
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.tasks.catalog import AnyTask, task_of
from panope_server.tasks.task import Canonical

#: The backend whose models are elsewhere, and may change unseen.
_REMOTE = "remote"


class Computer(Protocol):
    """Knows what computes answers."""

    def facts_of(self, model: ResolvedModel) -> object:
        """What is known of a model that has been loaded; None for nothing."""

    def computation_of(self, model: ResolvedModel) -> Computation | None:
        """What computes a model's answers; None while nobody knows."""


class Cache:
    """The step that answers a call whose answer is kept; it stands where the input is final, before a model is needed.

    Args:
        settings: which answers are kept, and for whom.
        kept: where.
        computer: knows what computes answers.
        counts: where hits are counted.
        version: of this program, whose answers another may compute otherwise.
    """

    def __init__(
        self, settings: ResponseCacheSettings, kept: KeptAnswers, computer: Computer, counts: CacheCounts, version: str
    ) -> None:
        self._settings = settings
        self._kept = kept
        self._computer = computer
        self._counts = counts
        self._version = version
        self._flights: Flights[Any] = Flights()

    async def __call__(self, call: Call, forward: Next) -> None:
        """Answers the call, or forwards it and keeps the answer."""
        assert call.resolved is not None, "the step Resolve comes before"
        task, model = task_of(call.input), call.resolved
        canonical = self._canonical(task, call, model)
        if canonical is None:
            mark(call, "bypass")
            await forward(call)
            return
        computation = self._computer.computation_of(model)
        if computation is None:
            mark(call, "miss")
            await run_and_keep(call, forward, task, self._kept, lambda: self._keys_after(call, task, canonical))
            return
        if not self._is_kept(computation):
            mark(call, "bypass")
            await forward(call)
            return
        epoch = self._kept.epoch
        keys = await self._keys(canonical, computation, task)
        lookup = Lookup(
            call=call,
            forward=forward,
            task=task,
            keys=keys,
            kept=self._kept,
            flights=self._flights,
            counts=self._counts,
            is_current=lambda: self._computer.computation_of(model) == computation,
            computation=computation,
            epoch=epoch,
        )
        await (EachAnswer(lookup) if task.answers_each else WholeAnswer(lookup)).run()

    async def flush(self) -> int:
        """Forgets every answer; how many this server's memory held.

        Nothing that was asked before is given to a call that comes after: it joins no run that is under way, and what
        such runs find out is not kept.

        Raises:
            AvailabilityError: the store that servers share still has some.
        """
        self._flights.forget()
        self._counts.flushes += 1
        return await self._kept.forget()

    def _canonical(self, task: AnyTask, call: Call, model: ResolvedModel) -> Canonical | None:
        """What the answer depends on; None where it is not kept, as where it depends on files that are elsewhere."""
        if not call.cache_control.may_keep or task.output_type is None or task.links(call.input):
            return None
        if not task.is_pure and not self._settings.keeps_tensors_of(call.requested_model, model.name.model):
            return None
        return task.canonical(call.input, self._computer.facts_of(model))

    def _is_kept(self, computation: Computation) -> bool:
        return computation.backend != _REMOTE or self._settings.remote_models

    async def _keys(self, canonical: Canonical, computation: Computation, task: AnyTask) -> list[bytes]:
        return await make_keys(canonical, computation, self._scope(), task.name, self._version)

    async def _keys_after(self, call: Call, task: AnyTask, canonical: Canonical) -> list[bytes] | None:
        """The keys of an answer that is here, by what has computed it; None where that is still not known."""
        assert call.resolved is not None, "the step Resolve comes before"
        computation = self._computer.computation_of(call.resolved)
        if computation is None or not computed_by(call.placement, computation) or not self._is_kept(computation):
            return None
        return await self._keys(canonical, computation, task)

    def _scope(self) -> str:
        """Among whom answers are shared; two keys may have one name, and tokens have names alone."""
        principal = current_principal()
        return "" if self._settings.share_between_keys else f"{principal.name}\0{principal.key_id}"
