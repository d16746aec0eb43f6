"""The queue beside a plain list of what waits: the order of a call, deadlines, bounds and who goes for whom.

How callers and classes share it is in `test_caller_turns.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from panope_backends.errors import DeadlineError, OverloadedError, PanopeError
from panope_server.config import Limits
from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.queue.request_queue import RequestQueue
from panope_server.runtime.instances.queue.turns import MAX_TURN_WORK

LIMITS = Limits(max_queue_items=24, max_queue_bytes=4_000, max_queue_work=12 * MAX_TURN_WORK)
MOST_WORK = 2 * MAX_TURN_WORK

Callers = st.sampled_from("abc")


@dataclass
class Call:
    """What a caller has sent, and what has become of it."""

    caller: str
    priority: int
    entries: list[Entry]
    deadline: float | None
    waiting: list[Entry] = field(default_factory=list)
    error: PanopeError | None = None


class Queue(RuleBasedStateMachine):
    """A queue in the hands of callers, time and instances."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.queue = RequestQueue("m", LIMITS, clock=lambda: self.now)
        self.calls: list[Call] = []
        self.ids = 0

    @rule(
        caller=Callers,
        priority=st.integers(-2, 2),
        parts=st.lists(
            st.tuples(st.integers(1, 6), st.integers(1, 400), st.integers(1, MOST_WORK)), min_size=1, max_size=4
        ),
        seconds=st.none() | st.floats(0.1, 20),
    )
    def a_call_comes(
        self, caller: str, priority: int, parts: list[tuple[int, int, int]], seconds: float | None
    ) -> None:
        deadline = None if seconds is None else self.now + seconds
        first = self.ids + 1
        entries = []
        for items, size, work in parts:
            self.ids += 1
            entries.append(
                Entry(
                    self.ids,
                    b"",
                    items,
                    size,
                    flow_id=first,
                    caller=caller,
                    priority=priority,
                    work=work,
                    deadline=deadline,
                )
            )
        for entry in entries:
            entry.parts.siblings = [other.parts for other in entries]
        call = Call(caller, priority, entries, deadline)
        before = list(self.queue.all())
        room = self.room_for(entries) or not before
        try:
            self.queue.put(*entries)
        except OverloadedError:
            assert not room, "what has room gets in"
            assert list(self.queue.all()) == before, "and who does not changes nothing"
            return
        gone = [entry for entry in before if entry.holder is None]
        assert not (room and gone), "nobody goes while there is room"
        self.sheds_rightly(call, gone)
        call.waiting = list(entries)
        self.calls.append(call)

    def room_for(self, entries: list[Entry]) -> bool:
        waiting = [*self.queue.all(), *entries]
        return (
            sum(entry.items for entry in waiting) <= LIMITS.max_queue_items
            and sum(entry.size_bytes for entry in waiting) <= LIMITS.max_queue_bytes
            and sum(entry.work for entry in waiting) <= LIMITS.max_queue_work
        )

    def sheds_rightly(self, newcomer: Call, gone: list[Entry]) -> None:
        """Whole calls of lower classes, or of callers of the same class that had more than the newcomer's has now."""
        for call in [call for call in self.calls if call.waiting and call.waiting[0] in gone]:
            assert all(entry in gone for entry in call.waiting)
            assert call.entries[0].priority_class <= newcomer.entries[0].priority_class
            if call.entries[0].priority_class == newcomer.entries[0].priority_class:
                assert call.caller != newcomer.caller
            error = self.error_of(call)
            assert isinstance(error, OverloadedError)
            assert error.reason == "shed"
            call.waiting, call.error = [], error

    @precondition(lambda self: len(self.queue))
    @rule()
    def an_instance_takes_one(self) -> None:
        head = self.queue.head()
        self.drop_late()
        if head is None:
            assert not any(call.waiting for call in self.calls)
            return
        call = next(call for call in self.calls if head in call.waiting)
        assert head is call.waiting[0], "the parts of a call leave in their order"
        assert head.deadline is None or head.deadline > self.now, "and none whose time is up"
        self.queue.count_turn(head)
        assert head.leave()
        call.waiting.remove(head)

    @rule(seconds=st.floats(0.1, 10))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=st.integers(0, 100))
    def a_caller_goes(self, number: int) -> None:
        waiting = [call for call in self.calls if call.waiting]
        if not waiting:
            return
        call = waiting[number % len(waiting)]
        for entry in call.waiting:
            assert entry.leave()
        call.waiting = []

    def drop_late(self) -> None:
        """What the queue has dropped as it looked for the next."""
        for call in self.calls:
            if call.waiting and any(entry.holder is None for entry in call.waiting):
                assert call.deadline is not None
                assert call.deadline <= self.now
                assert isinstance(self.error_of(call), DeadlineError)
                call.waiting = [entry for entry in call.waiting if entry.holder is not None]

    def error_of(self, call: Call) -> PanopeError | None:
        try:
            for entry in call.entries:
                entry.parts.take()
        except PanopeError as error:
            return error
        return None

    @invariant()
    def it_holds_what_waits_and_no_more_than_it_may(self) -> None:
        waiting = [entry for call in self.calls for entry in call.waiting]
        assert set(self.queue.all()) == set(waiting)
        assert self.queue.items == sum(entry.items for entry in waiting)
        assert self.queue.bytes == sum(entry.size_bytes for entry in waiting)
        assert self.queue.work == sum(entry.work for entry in waiting)
        if len({entry.flow_id for entry in waiting}) > 1:  # one call alone may be larger than the queue
            assert self.queue.items <= LIMITS.max_queue_items
            assert self.queue.bytes <= LIMITS.max_queue_bytes
            assert self.queue.work <= LIMITS.max_queue_work


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
