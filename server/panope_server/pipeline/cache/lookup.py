"""One call on its way through the cache: what it asks, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from panope_backends.errors import AvailabilityError, PanopeError
from panope_server.pipeline.cache.flights import Flight, Flights
from panope_server.pipeline.cache.kept import KeptAnswers
from panope_server.pipeline.cache.statistics import CacheCounts
from panope_server.pipeline.call import Call, Sink
from panope_server.pipeline.step import Next
from panope_server.runtime.models.computation import Computation
from panope_server.runtime.placement.placement import Placement
from panope_server.tasks.catalog import AnyTask
from panope_server.tasks.task import Input

STATUS = "x-cache"
AGE = "age"

#: A flight of no more items is joined by a call of any size: they are about one batch.
JOINED_ITEMS = 32


@dataclass(frozen=True)
class Lookup:
    """A call whose answer may be kept.

    Attributes:
        call: whose input is final.
        forward: the rest of the way.
        task: of the input.
        keys: of the answer to each item.
        kept: the answers that are kept.
        flights: what runs now.
        counts: where hits are counted.
        computation: by which the keys were made.
        epoch: of what is kept, when the call came.
        is_current: whether that still computes the model's answers.
    """

    call: Call
    forward: Next
    task: AnyTask
    keys: Sequence[bytes]
    kept: KeptAnswers
    flights: Flights[Any]
    counts: CacheCounts
    computation: Computation
    is_current: Callable[[], bool]
    epoch: int

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The answers that are kept and that the caller takes."""
        control = self.call.cache_control
        return await self.kept.find(keys, control.max_age_seconds) if control.may_answer else {}

    def flight_of(self, key: bytes) -> Flight[Any] | None:
        """What runs already and finds out a key; None where nothing does, or the caller is better off with its own run.

        That is a caller that wants one, whose call is more urgent, or smaller by far: it would wait behind items that
        are not its own.
        """
        if not self.call.cache_control.may_answer or (flight := self.flights.get(key)) is None:
            return None
        is_small = flight.items <= max(len(self.keys), JOINED_ITEMS)
        return flight if is_small and flight.priority >= self.call.priority else None

    async def run(self, task_input: Input, output: Sink) -> None:
        """Runs an input in the place of the call's own; what that takes is the call's.

        Whoever else reads may wait longer than the call, so the run ends when nobody reads, not at the call's deadline.
        """
        call = self.call
        run = replace(call, input=task_input, output=output, is_shared=True)
        try:
            await self.forward(run)
        finally:
            call.input_bytes, call.output_bytes = run.input_bytes, run.output_bytes

    async def keep(self, answers: Mapping[bytes, bytes]) -> None:
        """Keeps answers that were just computed, unless by something else than the keys say."""
        if computed_by(self.call.placement, self.computation) and self.is_current():
            await self.kept.keep(answers, self.epoch)

    def tell(self, found: Iterable[bytes], *, run: int, joined: int) -> None:
        """Says and counts where the answer comes from; before its first part.

        Args:
            found: the kept answers to items.
            run: the items that this call runs.
            joined: the items that another call runs already.
        """
        call, ages = self.call, [self.kept.age_of(value) for value in found]
        self.counts.count(call.model, hits=len(ages), misses=run, joined=joined)
        if run:
            mark(call, "miss")
            return
        mark(call, "hit")
        call.headers[AGE] = str(int(max(ages, default=0)))
        placement, computation = call.placement, self.computation
        placement.variant_digest, placement.backend = computation.variant_digest, computation.backend
        placement.format, placement.precision = computation.format, computation.weights_precision

    def run_after_all(self, items: int) -> None:
        """Says and counts that the call runs items after all, which another call failed to find out."""
        self.counts.count(self.call.model, misses=items)
        self.call.headers.pop(AGE, None)
        mark(self.call, "miss")


def copy_of(error: BaseException) -> PanopeError:
    """The error of another call's run, for a call that read it."""
    if isinstance(error, PanopeError):
        return error.renamed(lambda path: path)
    return AvailabilityError("the answer broke off", retry_after_seconds=1.0)


def computed_by(placement: Placement, computation: Computation) -> bool:
    """Whether an answer was computed by what the keys say, and not by what the model was loaded as meanwhile."""
    return (placement.variant_digest, placement.backend) == (computation.variant_digest, computation.backend)


def mark(call: Call, status: str) -> None:
    """Says whether a kept answer answers a call: `hit`, `miss` or `bypass`."""
    call.cache_status = call.headers[STATUS] = status
