"""Which waiting items run together: a pure data structure without threads, clocks or models.

Items of all requests wait side by side. The oldest item decides which batch runs next; its companions are those
closest to it in length, because every item of a batch is padded to the longest. Sorted by length, the waiting items are
cut into batches from the longest down, and the batch that holds the oldest item is taken. So an item runs at the latest
after as many batches as there were items before it, whatever arrives later, and only the batch of the shortest items
is ever less than full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    item: T
    tokens: int
    arrived: float
    alone: bool


class Batcher(Generic[T]):
    """Items that wait, oldest first.

    Args:
        max_tokens: of one batch, padding included: its items times the longest of them. A longer item runs alone.
        max_size: items of one batch.
        wait_seconds: how long the oldest item waits for a fuller batch; 0 runs at once.
    """

    def __init__(self, max_tokens: int, max_size: int, wait_seconds: float = 0.0) -> None:
        self._max_tokens = max_tokens
        self._max_size = max_size
        self._wait_seconds = wait_seconds
        self._waiting: list[_Waiting[T]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, item: T, tokens: int, now: float) -> None:
        """Adds an item that runs with others.

        Args:
            item: what waits.
            tokens: its length, at least 1.
            now: the time, in seconds of any steady clock.
        """
        self._waiting.append(_Waiting(item, tokens, now, alone=False))

    def add_alone(self, item: T, now: float) -> None:
        """Adds an item that runs as a batch of its own."""
        self._waiting.append(_Waiting(item, 0, now, alone=True))

    def remove(self, gone: Callable[[T], bool]) -> None:
        """Drops the items for which `gone` is true."""
        self._waiting = [waiting for waiting in self._waiting if not gone(waiting.item)]

    def seconds_until_due(self, now: float) -> float | None:
        """How long until `take` should be called: 0 for now, None while nothing waits."""
        if not self._waiting:
            return None
        oldest = self._waiting[0]
        if oldest.alone or self._wait_seconds <= 0 or self._is_full():
            return 0.0
        return max(0.0, oldest.arrived + self._wait_seconds - now)

    def take(self) -> list[T]:
        """Takes the next batch; empty only when nothing waits."""
        if not self._waiting:
            return []
        oldest = self._waiting[0]
        batch = [oldest] if oldest.alone else self._batch_of(oldest)
        chosen = set(map(id, batch))
        self._waiting = [waiting for waiting in self._waiting if id(waiting) not in chosen]
        return [waiting.item for waiting in batch]

    def _batch_of(self, oldest: _Waiting[T]) -> list[_Waiting[T]]:
        by_length = sorted((waiting for waiting in self._waiting if not waiting.alone), key=_tokens, reverse=True)
        start = 0
        while True:
            size = self._size_for(by_length[start].tokens)
            batch = by_length[start : start + size]
            # Equal lengths keep their order of arrival, so the last item tells whether `oldest` is in reach.
            if batch[-1].tokens <= oldest.tokens and oldest in batch:
                return batch
            start += size

    def _size_for(self, longest: int) -> int:
        return max(1, min(self._max_size, self._max_tokens // longest))

    def _is_full(self) -> bool:
        together = [waiting.tokens for waiting in self._waiting if not waiting.alone]
        return len(together) >= self._size_for(max(together))


def _tokens(waiting: _Waiting[T]) -> int:
    return waiting.tokens
