"""Lets a call in as far as the limits of its key and its model go, and counts what it used when it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Protocol

from panope_registry.access.limits import Limit
from panope_server.access.limiter import Limiter
from panope_server.access.principal import current_principal
from panope_server.access.slices import Slice
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import task_of

TOKENS = "tokens"
_COUNTS_TOKENS = attrgetter("counts_tokens")


class ModelLimits(Protocol):
    """Knows the limits of models."""

    @property
    def by_model(self) -> Mapping[str, Sequence[Limit]]:
        """The limits of those that have some."""


class Rate:
    """The step; it follows Authorise, for what may not be made costs nothing of a limit.

    Args:
        limiter: lets calls in.
        models: the limits of models.
    """

    def __init__(self, limiter: Limiter, models: ModelLimits) -> None:
        self._limiter = limiter
        self._models = models

    async def __call__(self, call: Call, forward: Next) -> None:
        """Forwards a call that is within its limits."""
        slices = self._slices_of(call)
        if not slices:
            await forward(call)
            return
        counts_tokens = any(map(_COUNTS_TOKENS, slices))
        reservation = await self._limiter.admit(slices, estimate(call) if counts_tokens else 0, call.headers)
        try:
            await forward(call)
        finally:
            if counts_tokens:
                self._limiter.settle(reservation, _used_tokens(call))

    def _slices_of(self, call: Call) -> Sequence[Slice]:
        principal, of_models = current_principal(), self._models.by_model
        slices: Sequence[Slice] = ()
        if principal.limits:
            slices = self._limiter.slices(f"key:{principal.key_id}", principal.limits)
        if of_models and (limits := of_models.get(call.model_name)):
            slices = [*slices, *self._limiter.slices(f"model:{call.model_name}", limits)]
        return slices


def _used_tokens(call: Call) -> int:
    """Of the input and the answer, as far as it came; 0 for tasks whose units are others."""
    assert call.usage is not None, "the step Accounting comes before"
    task, whole, so_far = task_of(call.input), call.usage.whole, call.usage.so_far
    tokens = max(whole.input_units, so_far.input_units) if task.input_unit == TOKENS else 0
    return tokens + max(whole.output_units, so_far.output_units) if task.output_unit == TOKENS else tokens


def estimate(call: Call) -> int:
    """The tokens that a call will use, before anybody has counted them; 0 for tasks whose units are others."""
    task = task_of(call.input)
    if TOKENS not in (task.input_unit, task.output_unit):
        return 0
    return task.tokens(call.input)
