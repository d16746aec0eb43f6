"""Which waiting items run together: a pure data structure without threads, clocks or models.

Items of all requests wait side by side. Flows, such as calls, take turns to lead a batch, and the oldest item of the
flow whose turn it is decides which batch runs next; its companions, of any flow, are those closest to it in length,
because every item of a batch is padded to the longest. Sorted by length, the waiting items are cut into batches from
the longest down, and the batch that holds the leading item is taken. A batch ends when it is full, or when its padding
would cost the device more than one more batch does.

A flow that has led goes behind all others when the next batch is taken, so that one that arrived while the batch ran
leads before it. So an item runs at the latest after as many turns of its flow as the flow had items before it, and a
turn comes after one of each other flow that waits, whatever arrives later.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    item: T
    tokens: int
    order: int
    arrived: float
    flow: Hashable
    alone: bool
    taken: bool = False
    # Those that run together with it, itself included; empty until planned.
    batch: list[_Waiting[T]] = field(default_factory=list)


class Batcher(Generic[T]):
    """Items that wait; flows take turns, and within a flow the oldest comes first.

    Args:
        max_tokens: of one batch, padding included: its items times the longest of them. A longer item runs alone.
        max_size: items of one batch.
        max_padding: tokens of padding in one batch; None for any number.
        wait_seconds: how long the oldest item waits for a fuller batch; 0 runs at once.

    Attributes:
        most_of: how many items run together whose longest is of a length; `max_tokens` decides until it is set.
        paced_most_of: as `most_of`, while a flow has more items waiting than a batch holds: others must not wait long
            behind it. None for no further bound. Small flows alone are never bounded so, since each gains by the rest.
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
        # By flow, in the order of their turns, the items in the order of their arrival; those taken are dropped late.
        self._flows: OrderedDict[Hashable, deque[_Waiting[T]]] = OrderedDict()
        self._led: Hashable = None
        self._is_planned = True
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T, tokens: int, now: float, flow: Hashable = None) -> None:
        """Adds an item that runs with others.

        Args:
            item: what waits.
            tokens: its length, at least 1.
            now: the time, in seconds of any steady clock.
            flow: whose turns it waits for, such as its call's.
        """
        self._add(_Waiting(item, tokens, next(self._order), now, flow, alone=False))

    def add_alone(self, item: T, now: float, flow: Hashable = None) -> None:
        """Adds an item that runs as a batch of its own."""
        self._add(_Waiting(item, 0, next(self._order), now, flow, alone=True))

    def remove(self, gone: Callable[[T], bool]) -> None:
        """Drops the items for which `gone` is true."""
        for flow, items in list(self._flows.items()):
            self._keep(flow, deque(waiting for waiting in items if not waiting.taken and not gone(waiting.item)))
        self._count = sum(map(len, self._flows.values()))
        self._is_planned = False

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
        if self._led in self._flows:
            self._flows.move_to_end(self._led)
        lead = self._lead()
        if lead is None:
            return []
        self._led, batch = lead.flow, lead.batch
        for waiting in batch:
            waiting.taken, waiting.batch = True, []
        self._count -= len(batch)
        return [waiting.item for waiting in batch]

    def _add(self, waiting: _Waiting[T]) -> None:
        self._flows.setdefault(waiting.flow, deque()).append(waiting)
        self._is_planned = False
        self._count += 1

    def _all(self) -> Iterator[_Waiting[T]]:
        return (waiting for waiting in itertools.chain(*self._flows.values()) if not waiting.taken)

    def _lead(self) -> _Waiting[T] | None:
        """The oldest item of the flow whose turn it is; flows of which nothing waits are dropped on the way."""
        while self._flows:
            flow, items = next(iter(self._flows.items()))
            while items and items[0].taken:
                items.popleft()
            if items:
                return items[0]
            del self._flows[flow]
        return None

    def _keep(self, flow: Hashable, items: deque[_Waiting[T]]) -> None:
        if items:
            self._flows[flow] = items
        else:
            del self._flows[flow]

    def _plan(self) -> None:
        """Cuts everything that waits into batches."""
        everything = sorted(self._all(), key=attrgetter("order"))
        for waiting in everything:
            waiting.batch = [waiting]
        # Sorting keeps the order of arrival among items of one length.
        by_length = sorted((w for w in everything if not w.alone), key=attrgetter("tokens"), reverse=True)
        start = 0
        while start < len(by_length):
            batch = by_length[start : start + self._size_from(by_length, start)]
            for waiting in batch:
                waiting.batch = batch
            start += len(batch)
        self._is_planned = True

    def _size_from(self, by_length: list[_Waiting[T]], start: int) -> int:
        """How many items from `start` on run together."""
        longest = by_length[start].tokens
        size = self._size_for(longest)
        if self.max_padding is None:
            return size
        padding = 0
        for count, waiting in enumerate(by_length[start : start + size]):
            padding += longest - waiting.tokens
            if padding > self.max_padding:
                return count
        return size

    def _size_for(self, longest: int) -> int:
        most = min(self.max_size, self.most_of(longest))
        paced = self.paced_most_of(longest) if self._has_large_flow() else None
        return max(1, most if paced is None else min(most, paced))

    def _has_large_flow(self) -> bool:
        return any(len(items) > self.max_size for items in self._flows.values())

    def _is_full(self) -> bool:
        together = [waiting.tokens for waiting in self._all() if not waiting.alone]
        return len(together) >= self._size_for(max(together))
