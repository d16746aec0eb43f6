"""Answers in this process's memory: what was used least recently makes room."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

#: What an entry takes beside its value: its key and the objects of both.
ENTRY_BYTES = 256


class _Entry(NamedTuple):
    value: bytes
    expires: float


class MemoryStore:
    """A Store in memory; its bytes never exceed the limit.

    Args:
        max_bytes: of all entries, with what each takes beside its value.
        max_entry_bytes: of one value.
        ttl_seconds: for which a value is kept.
        evicted: told why a value goes before it was replaced: `capacity` or `expired`.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        max_bytes: int,
        max_entry_bytes: int,
        ttl_seconds: float,
        evicted: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_entry_bytes = min(max_entry_bytes, max_bytes - ENTRY_BYTES)
        self._ttl_seconds = ttl_seconds
        self._evicted = evicted
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """Of all entries."""
        return self._bytes

    async def get(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The values of keys, which are used most recently from now on."""
        now = self._clock()
        return [self._get(key, now) for key in keys]

    async def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values for their time."""
        expires = self._clock() + self._ttl_seconds
        for key, value in values.items():
            if key in self._entries:
                self._remove(key)
            if len(value) > self._max_entry_bytes:
                continue
            self._entries[key] = _Entry(value, expires)
            self._bytes += len(value) + ENTRY_BYTES
        while self._bytes > self._max_bytes:
            self._remove(next(iter(self._entries)))
            self._evicted("capacity")

    async def clear(self) -> int:
        """Forgets every value; how many there were."""
        count = len(self._entries)
        self._entries.clear()
        self._bytes = 0
        return count

    async def close(self) -> None:
        """Forgets everything."""
        await self.clear()

    def _get(self, key: bytes, now: float) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= now:
            self._remove(key)
            self._evicted("expired")
            return None
        self._entries.move_to_end(key)
        return entry.value

    def _remove(self, key: bytes) -> None:
        self._bytes -= len(self._entries.pop(key).value) + ENTRY_BYTES
