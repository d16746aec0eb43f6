"""Input that waits for an instance of one model: bounded in items, bytes and work, and shared alike between callers.

The classes of priority, high, normal and low, are taken in this order. A class that waits beside higher ones gets one
unit of work for each `STARVATION_FACTOR` of theirs, so that nothing waits for ever. Inside a class callers have turns
by work, and inside a caller its calls have turns by items (`turns.py`).

A full queue lets a newcomer in at the cost of those of a lower class, or of a caller that has more waiting in the same
class; whole calls go, the newest first. So no caller fills a queue for the others.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence

from panope_backends.errors import DeadlineError, OverloadedError
from panope_server.config import Limits
from panope_server.runtime.instances.in_flight import Entries, Entry
from panope_server.runtime.instances.queue.rate import Rate
from panope_server.runtime.instances.queue.shedding import Need, calls_to_shed
from panope_server.runtime.instances.queue.turns import CallerTurns, Passed

MIN_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 30.0

#: Work of higher classes for which a class that waits gets as much as one of these.
STARVATION_FACTOR = 16

NOBODY = Passed()


class RequestQueue(Entries):
    """A queue of one model; an entry whose caller gives up leaves it wherever it stands.

    Args:
        limits: how much may wait.
        noun: what items are, for people.
        clock: monotonic seconds, as deadlines are told in.
    """

    def __init__(
        self, model: str, limits: Limits, *, noun: str = "texts", clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._noun = noun
        self._model = model
        self._limits = limits
        self._clock = clock
        self._classes = {1: CallerTurns(), 0: CallerTurns(), -1: CallerTurns()}
        #: Of each class, the work that higher ones had handed over while it waited, less what it got itself for it.
        self._passed_over = dict.fromkeys(self._classes, 0)
        self._empty = asyncio.Event()
        self._empty.set()
        self.rate = Rate()
        self.full_rate = Rate()  # while more waits than runs: at other times batches are small, and it could do more

    def add(self, entry: Entry) -> None:
        """Takes an entry in, behind those of its flow; it leaves the holder that it had."""
        turns = self._classes[entry.priority_class]
        super().add(entry)
        turns.add(entry)
        self._empty.clear()

    def remove(self, entry: Entry) -> bool:
        """Lets an entry go; False when it is not here."""
        turns = self._classes[entry.priority_class]
        if not super().remove(entry):
            return False
        turns.remove(entry)
        if turns.is_empty:
            self._passed_over[entry.priority_class] = 0
        if not len(self):
            self._empty.set()
        return True

    async def until_empty(self) -> None:
        """Returns when nothing waits."""
        await self._empty.wait()

    def put(self, *entries: Entry) -> None:
        """Adds the entries of one call, all or none; others may have to go for it.

        Raises:
            OverloadedError: there is no room; it tells when there may be.
        """
        need = Need.of(entries)
        for call in self._to_shed(entries[0], need):
            self._shed(call)
        for entry in entries:
            self.add(entry)

    def head(self, passed: Passed = NOBODY) -> Entry | None:
        """The entry that is next; those for which nobody waits any more are dropped on the way.

        Args:
            passed: who is passed over this time.
        """
        while (entry := self._first_but(passed)) is not None and self._is_over(entry):
            self.remove(entry)
        return entry

    def comes_before(self, entry: Entry) -> bool:
        """Whether something waits here that an entry which comes now may not pass."""
        for priority_class, turns in self._classes.items():
            first = turns.first(NOBODY, priority_class)
            if first is not None and (priority_class >= entry.priority_class or self._is_owed(first)):
                return True
        return False

    def count_turn(self, entry: Entry) -> None:
        """Counts an entry that is about to be handed over."""
        self.count_passing(entry)
        of_entry = entry.priority_class
        owed = self._passed_over[of_entry]
        self._passed_over[of_entry] = max(0, owed - STARVATION_FACTOR * entry.work)
        self._classes[of_entry].count(entry)

    def count_passing(self, entry: Entry) -> None:
        """Counts an entry that is handed over before those of lower classes that wait here."""
        for priority_class, turns in self._classes.items():
            if priority_class < entry.priority_class and not turns.is_empty:
                self._passed_over[priority_class] += entry.work

    def retry_after(self) -> float:
        """Seconds until the queue is likely to be empty, spread so that callers do not return together."""
        rate = self.rate.per_second
        seconds = 1.0 if rate is None else self.work / rate
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
        return min(MAX_RETRY_SECONDS, max(MIN_RETRY_SECONDS, seconds * jitter))

    def _first_but(self, passed: Passed) -> Entry | None:
        """Of a class that has waited too long for higher ones, else of the highest class that has one."""
        found: Entry | None = None
        for priority_class, turns in self._classes.items():
            if priority_class in passed.classes or (entry := turns.first(passed, priority_class)) is None:
                continue
            if self._is_owed(entry):
                return entry
            found = found or entry
        return found

    def _is_owed(self, entry: Entry) -> bool:
        """Whether the class of an entry that is next in it has waited too long for higher ones."""
        return self._passed_over[entry.priority_class] >= STARVATION_FACTOR * entry.work

    def _is_over(self, entry: Entry) -> bool:
        """Whether nobody waits for an entry: its caller has gone, or hears now that its time is up."""
        if entry.deadline is not None and entry.deadline <= self._clock():
            entry.parts.end(DeadlineError("the call's deadline passed while it waited for the model"))
        return entry.parts.is_over

    def _to_shed(self, entry: Entry, need: Need) -> Iterable[Sequence[Entry]]:
        if not len(self):
            return ()  # what exceeds an empty queue runs by itself
        limits = self._limits
        missing = need.less(
            Need(
                limits.max_queue_items - self.items,
                limits.max_queue_bytes - self.bytes,
                limits.max_queue_work - self.work,
            )
        )
        if missing.is_nothing:
            return ()
        found = calls_to_shed(self._classes, entry, need.work, missing)
        if found is None:
            raise OverloadedError(
                f"model `{self._model}` has {self.items:,} {self._noun} of {self.bytes:,} bytes waiting; the limits "
                f"are {limits.max_queue_items:,} {self._noun} and {limits.max_queue_bytes:,} bytes, and "
                f"{limits.max_queue_work:,} units of work",
                retry_after_seconds=self.retry_after(),
            )
        return found

    def _shed(self, call: Sequence[Entry]) -> None:
        """Lets a call go that waits; its parts that run elsewhere end with it."""
        error = OverloadedError(
            f"the queue of model `{self._model}` is full, and calls of a higher priority or of callers with less "
            "waiting came",
            reason="shed",
            retry_after_seconds=self.retry_after(),
        )
        for entry in call:
            entry.fail(error)
