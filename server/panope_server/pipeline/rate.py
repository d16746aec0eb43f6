"""Lets a call in as far as the limits of its key and its model go, and counts what it used when it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from panope_registry.access.limits import Counted, Limit
from panope_server.access.limiter import Limiter, Reservation
from panope_server.access.principal import current_principal
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Next
from panope_server.tasks.catalog import task_of
from panope_server.tasks.task import Output, Usage

TOKENS = "tokens"


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
        principal = current_principal()
        of_model = self._models.by_model.get(call.model_name, ()) if self._models.by_model else ()
        if not (principal.limits or of_model):
            await forward(call)
            return
        limits: list[tuple[str, Limit]] = []
        counts_tokens = False
        for subject, given in ((f"key:{principal.key_id}", principal.limits), (f"model:{call.model_name}", of_model)):
            for limit in given:
                limits.append((subject, limit))
                counts_tokens = counts_tokens or limit.counted is Counted.TOKENS
        reservation = await self._limiter.admit(limits, estimate(call) if counts_tokens else 0, call.headers)
        if not counts_tokens:
            await forward(call)
            return
        await self._counting(call, forward, reservation)

    async def _counting(self, call: Call, forward: Next, reservation: Reservation) -> None:
        call.output = used = UsedTokens(call)
        try:
            await forward(call)
        finally:
            self._limiter.settle(reservation, used.tokens)


class UsedTokens:
    """A sink that counts the tokens of an answer on their way."""

    __slots__ = ("_call", "_sink", "_so_far", "_usage")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._sink = call.output
        self._usage = Usage()
        self._so_far = Usage()

    def put(self, part: Output) -> Awaitable[None]:
        """Counts the part and passes it on."""
        task = task_of(self._call.input)
        self._usage.add(task.usage(part))
        self._so_far.add(task.usage_so_far(part))
        return self._sink.put(part)

    @property
    def tokens(self) -> int:
        """Of the input and the answer, as far as it came; 0 for tasks whose units are others."""
        task = task_of(self._call.input)
        tokens = 0
        if task.input_unit == TOKENS:
            tokens += max(self._usage.input_units, self._so_far.input_units)
        if task.output_unit == TOKENS:
            tokens += max(self._usage.output_units, self._so_far.output_units)
        return tokens


def estimate(call: Call) -> int:
    """The tokens that a call will use, before anybody has counted them; 0 for tasks whose units are others."""
    task = task_of(call.input)
    if TOKENS not in (task.input_unit, task.output_unit):
        return 0
    return task.tokens(call.input)
