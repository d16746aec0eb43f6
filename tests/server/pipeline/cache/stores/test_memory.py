"""Answers in memory against the plainest model of a cache: least recently used, bounded in bytes and in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from panope_server.pipeline.cache.stores.memory import ENTRY_BYTES, MemoryStore

MAX_BYTES = 4 * ENTRY_BYTES + 100
MAX_ENTRY_BYTES = 60
TTL = 10.0
KEYS = st.sampled_from([bytes([number]) * 32 for number in range(8)])
VALUES = st.binary(max_size=MAX_ENTRY_BYTES + 20)


def _now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


class Memory(RuleBasedStateMachine):
    """A store and what it should hold: key -> value and time of its end, the least recently used first."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.evictions: Counter[str] = Counter()
        self.expected_evictions: Counter[str] = Counter()
        self.store = MemoryStore(MAX_BYTES, MAX_ENTRY_BYTES, TTL, self._evicted, lambda: self.now)
        self.model: dict[bytes, tuple[bytes, float]] = {}

    def _evicted(self, reason: str) -> None:
        self.evictions[reason] += 1

    def _size(self) -> int:
        return sum(len(value) + ENTRY_BYTES for value, _ in self.model.values())

    @rule(values=st.dictionaries(KEYS, VALUES, max_size=4))
    def put(self, values: dict[bytes, bytes]) -> None:
        _now(self.store.put(values))
        for key, value in values.items():
            self.model.pop(key, None)
            if len(value) <= MAX_ENTRY_BYTES:
                self.model[key] = value, self.now + TTL
        while self._size() > MAX_BYTES:
            del self.model[next(iter(self.model))]
            self.expected_evictions["capacity"] += 1

    @rule(keys=st.lists(KEYS, max_size=4))
    def get(self, keys: list[bytes]) -> None:
        expected: list[bytes | None] = []
        for key in keys:
            value, end = self.model.pop(key, (None, 0.0))
            if value is not None and end <= self.now:
                value = None
                self.expected_evictions["expired"] += 1
            if value is not None:
                self.model[key] = value, end
            expected.append(value)
        assert list(_now(self.store.get(keys))) == expected

    @rule(seconds=st.floats(0, TTL))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def it_holds_what_it_should_and_no_more(self) -> None:
        assert (len(self.store), self.store.size_bytes) == (len(self.model), self._size())
        assert self.store.size_bytes <= MAX_BYTES
        assert self.evictions == self.expected_evictions


TestMemory = Memory.TestCase
TestMemory.settings = settings(max_examples=40, stateful_step_count=30)
