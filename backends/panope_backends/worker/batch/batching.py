"""Which waiting items run together: a pure data structure without threads, clocks or models.

Items of all requests wait side by side. The oldest item decides which batch runs next; its companions are those
closest to it in length, because every item of a batch is padded to the longest. Sorted by length, the waiting items are
cut into batches from the longest down, and the batch that holds the oldest item is taken. A batch ends when it is full,
or when its padding would cost the device more than one more batch does. So an item runs at the latest after as many
batches as there were items before it, whatever arrives later.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    item: T
    tokens: int
    order: int
    arrived: float
    alone: bool


class Batcher(Generic[T]):
    """Items that wait, oldest first.

    Args:
        max_tokens: of one batch, padding included: its items times the longest of them. A longer item runs alone.
        max_size: items of one batch.
        max_padding: tokens of padding in one batch; None for any number.
        wait_seconds: how long the oldest item waits for a fuller batch; 0 runs at once.

    Attributes:
        most_of: how many items run together whose longest is of a length; `max_tokens` decides until it is set.
    """

    def __init__(
        self, max_tokens: int, max_size: int, *, max_padding: int | None = None, wait_seconds: float = 0.0
    ) -> None:
        self.most_of: Callable[[int], int] = lambda longest: max_tokens // longest
        self.max_size = max_size
        self.max_padding = max_padding
        self._wait_seconds = wait_seconds
        self._order = itertools.count()
        # Batches in the order in which they run, and what has arrived since they were planned.
        self._planned: deque[list[_Waiting[T]]] = deque()
        self._unplanned: list[_Waiting[T]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T, tokens: int, now: float) -> None:
        """Adds an item that runs with others.

        Args:
            item: what waits.
            tokens: its length, at least 1.
            now: the time, in seconds of any steady clock.
        """
        self._add(_Waiting(item, tokens, next(self._order), now, alone=False))

    def add_alone(self, item: T, now: float) -> None:
        """Adds an item that runs as a batch of its own."""
        self._add(_Waiting(item, 0, next(self._order), now, alone=True))

    def remove(self, gone: Callable[[T], bool]) -> None:
        """Drops the items for which `gone` is true."""
        self._unplanned = [waiting for waiting in self._all() if not gone(waiting.item)]
        self._planned.clear()
        self._count = len(self._unplanned)

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
        if self._unplanned:
            self._plan()
        if not self._planned:
            return []
        batch = self._planned.popleft()
        self._count -= len(batch)
        return [waiting.item for waiting in batch]

    def _add(self, waiting: _Waiting[T]) -> None:
        self._unplanned.append(waiting)
        self._count += 1

    def _all(self) -> Iterator[_Waiting[T]]:
        return itertools.chain(*self._planned, self._unplanned)

    def _plan(self) -> None:
        """Cuts everything that waits into batches; the one with the oldest item comes first."""
        everything = sorted(self._all(), key=attrgetter("order"))
        batches = [[waiting] for waiting in everything if waiting.alone]
        # Sorting keeps the order of arrival among items of one length.
        by_length = sorted((w for w in everything if not w.alone), key=attrgetter("tokens"), reverse=True)
        start = 0
        while start < len(by_length):
            size = self._size_from(by_length, start)
            batches.append(by_length[start : start + size])
            start += size
        self._planned = deque(sorted(batches, key=_oldest))
        self._unplanned = []

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
        return max(1, min(self.max_size, self.most_of(longest)))

    def _is_full(self) -> bool:
        together = [waiting.tokens for waiting in self._all() if not waiting.alone]
        return len(together) >= self._size_for(max(together))


def _oldest(batch: list[_Waiting[T]]) -> int:
    return min(waiting.order for waiting in batch)
