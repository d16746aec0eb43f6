"""Input that waits for an instance of one model: bounded in texts and in bytes, shared alike between flows.

A flow is a call: its entries leave in the order they came, and flows take turns. A turn is as many items as the largest
request has, so a call of thousands, which comes in many requests, lets every other call pass between two of them. Calls
of a higher priority come before all turns of those of a lower one.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import takewhile

from panope_backends.errors import OverloadedError
from panope_server.runtime.instances.in_flight import Entries, Entry

MIN_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 30.0

#: Items that a flow hands over before it goes behind all others.
TURN_ITEMS = 32


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


@dataclass(slots=True)
class _Flow:
    entries: OrderedDict[int, Entry] = field(default_factory=OrderedDict)
    items_left: int = TURN_ITEMS


class RequestQueue(Entries):
    """A queue of one model; an entry whose caller gives up leaves it wherever it stands.

    Args:
        noun: what items are, for people.
    """

    def __init__(self, model: str, max_items: int, max_bytes: int, *, noun: str = "texts") -> None:
        super().__init__()
        self._noun = noun
        self._model = model
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._lines: dict[int, OrderedDict[int, _Flow]] = {}  # by priority, flows in the order of their turns
        self._empty = asyncio.Event()
        self._empty.set()
        self.rate = Rate()

    def add(self, entry: Entry) -> None:
        """Takes an entry in, behind those of its flow; it leaves the holder that it had."""
        line = self._lines.get(entry.priority)
        flow = (line and line.get(entry.flow_id)) or _Flow()
        super().add(entry)
        self._lines.setdefault(entry.priority, OrderedDict())[entry.flow_id] = flow
        flow.entries[entry.id] = entry
        self._empty.clear()

    def remove(self, entry: Entry) -> bool:
        """Lets an entry go; False when it is not here."""
        if not super().remove(entry):
            return False
        line = self._lines[entry.priority]
        flow = line[entry.flow_id]
        del flow.entries[entry.id]
        if not flow.entries:
            del line[entry.flow_id]
        if not line:
            del self._lines[entry.priority]
        if not len(self):
            self._empty.set()
        return True

    async def until_empty(self) -> None:
        """Returns when nothing waits."""
        await self._empty.wait()

    def put(self, *entries: Entry) -> None:
        """Adds the entries of one call at the end, all or none.

        Raises:
            OverloadedError: there is no room; it tells when there may be.
        """
        items, size_bytes = sum(entry.items for entry in entries), sum(entry.size_bytes for entry in entries)
        if len(self) and (self.items + items > self._max_items or self.bytes + size_bytes > self._max_bytes):
            raise OverloadedError(
                f"model `{self._model}` has {self.items:,} {self._noun} of {self.bytes:,} bytes waiting; "
                f"the limits are {self._max_items:,} {self._noun} and {self._max_bytes:,} bytes",
                retry_after_seconds=self.retry_after(),
            )
        for entry in entries:
            self.add(entry)

    def head(self, passed: Collection[int] = ()) -> Entry | None:
        """The entry that is next; those whose caller has gone this very moment are dropped on the way.

        Args:
            passed: flows that are passed over this time.
        """
        while (entry := self._first_but(passed)) is not None and entry.parts.is_over:
            self.remove(entry)
        return entry

    def _first_but(self, passed: Collection[int]) -> Entry | None:
        """Of the highest priority that has one."""
        for priority in sorted(self._lines, reverse=True):
            if (entry := self._first_in_line(self._lines[priority], passed)) is not None:
                return entry
        return None

    def _first_in_line(self, line: OrderedDict[int, _Flow], passed: Collection[int]) -> Entry | None:
        """Of the first flow that has something left of its turn; of the first of all when none has."""
        first: _Flow | None = None
        for flow_id, flow in line.items():
            if flow_id in passed:
                continue
            if flow.items_left > 0:
                return next(iter(flow.entries.values()))
            first = first or flow
        return None if first is None else next(iter(first.entries.values()))

    def count_turn(self, entry: Entry) -> None:
        """Counts an entry that is about to be handed over.

        Flows whose turn is over go behind all others only now, when another has its turn, and so behind those that came
        in between.
        """
        line = self._lines[entry.priority]
        before = takewhile(lambda flow_id: flow_id != entry.flow_id, line)
        for flow_id in [flow_id for flow_id in before if line[flow_id].items_left <= 0]:
            line[flow_id].items_left = TURN_ITEMS
            line.move_to_end(flow_id)
        line[entry.flow_id].items_left -= entry.items

    def retry_after(self) -> float:
        """Seconds until the queue is likely to be empty, spread so that callers do not return together."""
        rate = self.rate.items_per_second
        seconds = 1.0 if rate is None else self.items / rate
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
        return min(MAX_RETRY_SECONDS, max(MIN_RETRY_SECONDS, seconds * jitter))
