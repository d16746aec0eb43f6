"""Which waiting items run together: a pure data structure without threads, clocks or models.

Items of all requests wait side by side. Flows, such as calls, take turns to lead a batch, and the oldest item of the
flow whose turn it is decides which batch runs next; its companions, of any flow, are those closest to it in length,
because every item of a batch is padded to the longest. Sorted by length, the waiting items are cut into batches from
the longest down, and the batch that holds the leading item is taken. A batch ends when it is full, or when its padding
would cost the device more than one more batch does. Items of different shapes, such as images, never run together.

Callers have the turns, and the flows of one caller share them. Who has led goes behind all others when the next batch
is taken, so that one that arrived while the batch ran leads before it. So an item runs at the latest after as many
turns of its flow as the flow had items before it, and a turn comes after one of each other caller that waits, and of
each other flow of its own, whatever arrives later.

Items of a higher class lead first, and run with none of a lower one. A class that waits beside higher ones leads one
batch in `BATCHES_OF_HIGHER + 1`.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Generic, TypeVar

from panope_backends.worker.flow import Flow

T = TypeVar("T")

NO_FLOW = Flow()

#: Batches of higher classes in a row while a lower class waits.
BATCHES_OF_HIGHER = 16

#: For so long after somebody's last item another may come.
LATELY_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class Waiting(Generic[T]):
    """An item that waits; whoever has added it can take it back."""

    item: T
    tokens: int
    order: int
    arrived: float
    flow: Flow
    alone: bool
    shape: Hashable = ""
    taken: bool = False
    # Those that run together with it, itself included; empty until planned.
    batch: list[Waiting[T]] = field(default_factory=list)


class Batcher(Generic[T]):
    """Items that wait; flows take turns, and within a flow the oldest comes first.

    Args:
        max_tokens: of one batch, padding included: its items times the longest of them. A longer item runs alone.
        max_size: items of one batch.
        max_padding: tokens of padding in one batch; None for any number.
        wait_seconds: how long the oldest item waits for a fuller batch; 0 runs at once.

    Attributes:
        most_of: how many items run together whose longest is of a length; `max_tokens` decides until it is set.
        paced_most_of: as `most_of`, while others must not wait long behind a batch: when a flow has more items waiting
            than a batch holds, or a caller beside another that came lately, or a class beside a higher one that did.
            None for no further bound. Small flows alone are never bounded so, since each gains by the rest.
    """

    def __init__(
        self, max_tokens: int, max_size: int, *, max_padding: int | None = None, wait_seconds: float = 0.0
    ) -> None:
        self.most_of: Callable[[int], int] = lambda longest: max_tokens // longest
        self.paced_most_of: Callable[[int], int | None] = lambda _: None
        self.max_size = max_size
        self.max_padding = max_padding
        self._wait_seconds = wait_seconds
        self._order = itertools.count()
        self._turns = {each: _Turns[T]() for each in (1, 0, -1)}
        self._passed_over = dict.fromkeys(self._turns, 0)  # batches of higher classes while a class waited
        self._last_came: dict[tuple[Hashable, int], float] = {}  # of callers in classes
        self._is_planned = True
        self._holds_removed = False
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T, tokens: int, now: float, flow: Flow = NO_FLOW, shape: Hashable = "") -> Waiting[T]:
        """Adds an item that runs with others of its shape; `remove` takes back what is returned.

        Args:
            item: what waits.
            tokens: its length, at least 1.
            now: the time, in seconds of any steady clock.
            flow: whose turns it waits for.
            shape: alike for items that can run together, if need be by padding.
        """
        return self._add(Waiting(item, tokens, next(self._order), now, flow, alone=False, shape=shape))

    def add_alone(self, item: T, now: float, flow: Flow = NO_FLOW) -> Waiting[T]:
        """Adds an item that runs as a batch of its own."""
        return self._add(Waiting(item, 0, next(self._order), now, flow, alone=True))

    def remove(self, items: Iterable[Waiting[T]]) -> None:
        """Drops items; those that were taken are left alone. Costs as much as they are, however many wait."""
        for waiting in items:
            if not waiting.taken:
                waiting.taken, waiting.batch = True, []
                self._count -= 1
                self._is_planned, self._holds_removed = False, True

    def seconds_until_due(self, now: float) -> float | None:
        """How long until `take` should be called: 0 for now, None while nothing waits."""
        if not self._count:
            return None
        if self._wait_seconds <= 0:
            return 0.0
        oldest = min(self._all(), key=attrgetter("order"))
        if oldest.alone or self._is_full():
            return 0.0
        return max(0.0, oldest.arrived + self._wait_seconds - now)

    def take(self) -> list[T]:
        """Takes the next batch; empty only when nothing waits."""
        if not self._is_planned:
            self._plan()
        lead = self._lead()
        if lead is None:
            return []
        self._count_turn(lead.flow)
        batch = lead.batch
        for waiting in batch:
            waiting.taken, waiting.batch = True, []
        self._count -= len(batch)
        return [waiting.item for waiting in batch]

    def _add(self, waiting: Waiting[T]) -> Waiting[T]:
        self._turns[waiting.flow.priority_class].add(waiting)
        self._last_came.pop((waiting.flow.caller, waiting.flow.priority_class), None)
        self._last_came[waiting.flow.caller, waiting.flow.priority_class] = waiting.arrived
        while next(iter(self._last_came.values())) < waiting.arrived - LATELY_SECONDS:
            del self._last_came[next(iter(self._last_came))]
        self._is_planned = False
        self._count += 1
        return waiting

    def _all(self) -> Iterator[Waiting[T]]:
        return itertools.chain.from_iterable(turns.waiting() for turns in self._turns.values())

    def _lead(self) -> Waiting[T] | None:
        """The oldest item of the flow whose turn it is, in the highest class or one passed over too long."""
        found: Waiting[T] | None = None
        for priority_class, turns in self._turns.items():
            lead = turns.lead()
            if lead is None:
                self._passed_over[priority_class] = 0
            elif self._passed_over[priority_class] >= BATCHES_OF_HIGHER:
                return lead
            else:
                found = found or lead
        return found

    def _count_turn(self, flow: Flow) -> None:
        self._passed_over[flow.priority_class] = 0
        for lower in (each for each in self._turns if each < flow.priority_class):
            self._passed_over[lower] += 1
        self._turns[flow.priority_class].led = flow

    def _plan(self) -> None:
        """Cuts everything that waits into batches, each class by itself."""
        if self._holds_removed:
            for turns in self._turns.values():
                turns.forget_taken()
            self._holds_removed = False
        for priority_class, turns in self._turns.items():
            everything = sorted(turns.waiting(), key=attrgetter("order"))
            self._plan_class(everything, paced=self._is_paced(priority_class))
        self._is_planned = True

    def _plan_class(self, everything: list[Waiting[T]], *, paced: bool) -> None:
        for waiting in everything:
            waiting.batch = [waiting]
        for shape in _by_shape(everything):
            # Sorting keeps the order of arrival among items of one length.
            by_length = sorted(shape, key=attrgetter("tokens"), reverse=True)
            start = 0
            while start < len(by_length):
                batch = by_length[start : start + self._size_from(by_length, start, paced=paced)]
                for waiting in batch:
                    waiting.batch = batch
                start += len(batch)

    def _size_from(self, by_length: list[Waiting[T]], start: int, *, paced: bool) -> int:
        """How many items from `start` on run together."""
        longest = by_length[start].tokens
        size = self._size_for(longest, paced=paced)
        if self.max_padding is None:
            return size
        padding = 0
        for count, waiting in enumerate(by_length[start : start + size]):
            padding += longest - waiting.tokens
            if padding > self.max_padding:
                return count
        return size

    def _size_for(self, longest: int, *, paced: bool) -> int:
        most = min(self.max_size, self.most_of(longest))
        bound = self.paced_most_of(longest) if paced else None
        return max(1, most if bound is None else min(most, bound))

    def _is_paced(self, priority_class: int) -> bool:
        """Whether somebody else's item may come while a batch of a class runs, and must not wait for it long."""
        if any(higher > priority_class for _, higher in self._last_came):
            return True
        several = len({caller for caller, _ in self._last_came}) > 1
        return any(turns.has_more_than(self.max_size, of_caller=several) for turns in self._turns.values())

    def _is_full(self) -> bool:
        paced = self._is_paced(min(self._turns))
        return any(
            len(shape) >= self._size_for(max(waiting.tokens for waiting in shape), paced=paced)
            for shape in _by_shape(self._all())
        )


def _by_shape(items: Iterable[Waiting[T]]) -> Iterable[list[Waiting[T]]]:
    """Items that may run together, in their order."""
    shapes: dict[Hashable, list[Waiting[T]]] = {}
    for waiting in items:
        if not waiting.alone:
            shapes.setdefault(waiting.shape, []).append(waiting)
    return shapes.values()


class _Turns(Generic[T]):
    """What waits of one class: callers in the order of their turns, the flows of each in theirs, items as they came.

    Attributes:
        led: who has led last, and goes behind the others when the next batch is taken; None for nobody.
    """

    def __init__(self) -> None:
        # Items that are taken are dropped late.
        self._callers: OrderedDict[Hashable, OrderedDict[Hashable, deque[Waiting[T]]]] = OrderedDict()
        self.led: Flow | None = None

    def add(self, waiting: Waiting[T]) -> None:
        """Adds an item."""
        flows = self._callers.get(waiting.flow.caller)
        if flows is None:
            flows = self._callers[waiting.flow.caller] = OrderedDict()
        items = flows.get(waiting.flow.call)
        if items is None:
            items = flows[waiting.flow.call] = deque()
        items.append(waiting)

    def waiting(self) -> Iterator[Waiting[T]]:
        """Every item."""
        flows = itertools.chain.from_iterable(flows.values() for flows in self._callers.values())
        return (waiting for waiting in itertools.chain.from_iterable(flows) if not waiting.taken)

    def forget_taken(self) -> None:
        """Drops what waits no more."""
        for caller, flows in list(self._callers.items()):
            for call, items in list(flows.items()):
                flows[call] = deque(waiting for waiting in items if not waiting.taken)
                if not flows[call]:
                    del flows[call]
            if not flows:
                del self._callers[caller]

    def lead(self) -> Waiting[T] | None:
        """The oldest item of the flow whose turn it is; those of which nothing waits are dropped on the way."""
        self._end_turn()
        while self._callers:
            caller, flows = next(iter(self._callers.items()))
            while flows:
                call, items = next(iter(flows.items()))
                while items and items[0].taken:
                    items.popleft()
                if items:
                    return items[0]
                del flows[call]
            del self._callers[caller]
        return None

    def has_more_than(self, size: int, *, of_caller: bool) -> bool:
        """Whether a flow has more items waiting, or a caller in all its flows."""
        callers = self._callers.values()
        if of_caller:
            return any(sum(map(len, flows.values())) > size for flows in callers)
        return any(len(items) > size for flows in callers for items in flows.values())

    def _end_turn(self) -> None:
        led, self.led = self.led, None
        if led is None or (flows := self._callers.get(led.caller)) is None:
            return
        self._callers.move_to_end(led.caller)
        if led.call in flows:
            flows.move_to_end(led.call)
