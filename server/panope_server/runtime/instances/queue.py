"""Input that waits for an instance of one model: bounded in texts and in bytes, first come first served."""

from __future__ import annotations

import asyncio
import random

from panope_backends.errors import OverloadedError
from panope_server.runtime.instances.in_flight import Entries, Entry

MIN_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 30.0


class Rate:
    """How many items a model answers in a second, averaged over about the last ten seconds of work."""

    _WINDOW = 10.0

    def __init__(self) -> None:
        self._items = 0.0
        self._seconds = 0.0

    def record(self, items: int, seconds: float) -> None:
        """Counts items that took `seconds` of the model's busy time."""
        keep = max(0.0, 1 - seconds / self._WINDOW)
        self._items = self._items * keep + items
        self._seconds = self._seconds * keep + seconds

    @property
    def items_per_second(self) -> float | None:
        """None until something was measured."""
        return self._items / self._seconds if self._seconds > 0 else None


class RequestQueue(Entries):
    """The queue of one model; an entry whose caller gives up leaves it wherever it stands."""

    def __init__(self, model: str, max_items: int, max_bytes: int) -> None:
        super().__init__()
        self._model = model
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._empty = asyncio.Event()
        self._empty.set()
        self.rate = Rate()

    def add(self, entry: Entry) -> None:
        """Takes an entry in; it leaves the holder that it had."""
        super().add(entry)
        self._empty.clear()

    def remove(self, entry: Entry) -> bool:
        """Lets an entry go; False when it is not here."""
        is_removed = super().remove(entry)
        if not len(self):
            self._empty.set()
        return is_removed

    async def until_empty(self) -> None:
        """Returns when nothing waits."""
        await self._empty.wait()

    def put(self, entry: Entry) -> None:
        """Adds an entry at the end.

        Raises:
            OverloadedError: there is no room; it tells when there may be.
        """
        if len(self) and (
            self.items + entry.items > self._max_items or self.bytes + entry.size_bytes > self._max_bytes
        ):
            raise OverloadedError(
                f"model `{self._model}` has {self.items:,} texts of {self.bytes:,} bytes waiting; "
                f"the limits are {self._max_items:,} texts and {self._max_bytes:,} bytes",
                retry_after_seconds=self.retry_after(),
            )
        self.add(entry)

    def head(self) -> Entry | None:
        """The entry that is next; those whose caller has gone this very moment are dropped on the way."""
        while (entry := self.first()) is not None and entry.parts.is_over:
            self.remove(entry)
        return entry

    def retry_after(self) -> float:
        """Seconds until the queue is likely to be empty, spread so that callers do not return together."""
        rate = self.rate.items_per_second
        seconds = 1.0 if rate is None else self.items / rate
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
        return min(MAX_RETRY_SECONDS, max(MIN_RETRY_SECONDS, seconds * jitter))
