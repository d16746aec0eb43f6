"""Whose entry is next of those that wait: callers have turns by work, the calls of one caller by items.

Between callers it is deficit round robin (M. Shreedhar, G. Varghese, Efficient Fair Queuing Using Deficit Round-Robin,
1996) with credit that may be overdrawn: a caller has its turn while its credit is above 0, an entry costs its work, and
when no caller has credit left all get a turn's more. So over any time two callers that wait both have the same work
handed over, but for one turn and one entry. A turn is what an entry of those that wait costs in the mean: small calls
take turns one by one, in models that take seconds for each as in those that take thousands in a second.

Looking who is next changes nothing; `count` does, when an entry is about to be handed over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from panope_server.runtime.instances.in_flight import Entry

#: The most work that a caller hands over before it goes behind the other callers.
MAX_TURN_WORK = 1024
#: Items that a call hands over before it goes behind the other calls of its caller.
TURN_ITEMS = 32


@dataclass(slots=True)
class Passed:
    """Who is passed over this time, because it has its share of every instance.

    Attributes:
        flows: calls.
        callers: each with the class of the entries that are passed over.
        classes: of priority.
    """

    flows: set[int] = field(default_factory=set)
    callers: set[tuple[int, str]] = field(default_factory=set)
    classes: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Flow:
    entries: OrderedDict[int, Entry] = field(default_factory=OrderedDict)
    items_left: int = TURN_ITEMS


class CallTurns:
    """The calls of one caller in one class: those of a higher priority first, those of one priority in turns.

    Args:
        credit: of the caller, to begin with.

    Attributes:
        credit: of the caller.
        work: of all that waits.
    """

    __slots__ = ("_flows", "_lines", "credit", "work")

    def __init__(self, credit: int = 0) -> None:
        self.credit = credit
        self.work = 0
        self._flows: dict[int, _Flow] = {}  # in the order they came
        self._lines: dict[int, OrderedDict[int, _Flow]] = {}  # by priority, in the order of their turns

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._flows

    def add(self, entry: Entry) -> None:
        """Takes an entry in, behind those of its call."""
        flow = self._flows.get(entry.flow_id)
        if flow is None:
            flow = self._flows[entry.flow_id] = _Flow()
        line = self._lines.get(entry.priority)
        if line is None:
            line = self._lines[entry.priority] = OrderedDict()
        line[entry.flow_id] = flow
        flow.entries[entry.id] = entry
        self.work += entry.work

    def remove(self, entry: Entry) -> None:
        """Lets an entry go."""
        flow = self._flows[entry.flow_id]
        del flow.entries[entry.id]
        self.work -= entry.work
        if flow.entries:
            return
        del self._flows[entry.flow_id]
        line = self._lines[entry.priority]
        del line[entry.flow_id]
        if not line:
            del self._lines[entry.priority]

    def first(self, passed: Passed) -> Entry | None:
        """The next entry of a call that is not passed over."""
        for priority in sorted(self._lines, reverse=True):
            if (flow := _first_of(self._lines[priority], passed)) is not None:
                return next(iter(flow.entries.values()))
        return None

    def count(self, entry: Entry) -> None:
        """Counts an entry that is about to be handed over.

        Calls whose turn is over go behind all others only now, when another has its turn, and so behind those that came
        in between.
        """
        line = self._lines[entry.priority]
        before = takewhile(lambda flow_id: flow_id != entry.flow_id, line)
        for flow_id in [flow_id for flow_id in before if line[flow_id].items_left <= 0]:
            line[flow_id].items_left = TURN_ITEMS
            line.move_to_end(flow_id)
        line[entry.flow_id].items_left -= entry.items

    def newest_first(self) -> Iterator[list[Entry]]:
        """What waits of each call, the latest call first."""
        return (list(self._flows[flow_id].entries.values()) for flow_id in reversed(self._flows))


class CallerTurns:
    """The callers of one class of priority."""

    def __init__(self) -> None:
        self._callers: OrderedDict[str, CallTurns] = OrderedDict()  # in the order of their turns
        self._entries = 0
        self.work = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._callers

    def add(self, entry: Entry) -> None:
        """Takes an entry in."""
        self._entries += 1
        self.work += entry.work
        calls = self._callers.get(entry.caller)
        if calls is None:
            calls = self._callers[entry.caller] = CallTurns(self._turn)
        calls.add(entry)

    def remove(self, entry: Entry) -> None:
        """Lets an entry go; a caller of which nothing waits has neither credit nor debt."""
        calls = self._callers[entry.caller]
        calls.remove(entry)
        self._entries -= 1
        self.work -= entry.work
        if calls.is_empty:
            del self._callers[entry.caller]

    def first(self, passed: Passed, priority_class: int) -> Entry | None:
        """The next entry of a caller that is not passed over.

        It is that of the first caller with credit, else that of the caller with the least debt.
        """
        best: Entry | None = None
        most = 0
        for name, calls in self._callers.items():
            if (priority_class, name) in passed.callers or (entry := calls.first(passed)) is None:
                continue
            if calls.credit > 0:
                return entry
            if best is None or calls.credit > most:
                best, most = entry, calls.credit
        return best

    def count(self, entry: Entry) -> None:
        """Counts an entry that is about to be handed over; a caller whose turn is over goes behind the others."""
        calls = self._callers[entry.caller]
        if calls.credit <= 0:  # nobody had any who could have been next
            turn = self._turn
            more = (-calls.credit // turn + 1) * turn
            for each in self._callers.values():
                each.credit = min(turn, each.credit + more)
        calls.count(entry)
        calls.credit -= entry.work
        if calls.credit <= 0:
            self._callers.move_to_end(entry.caller)

    @property
    def _turn(self) -> int:
        """Work that a caller hands over now before it goes behind the others."""
        return min(MAX_TURN_WORK, max(1, self.work // self._entries))

    def work_of(self, caller: str) -> int:
        """What waits of a caller."""
        calls = self._callers.get(caller)
        return 0 if calls is None else calls.work

    def callers(self) -> Iterator[tuple[str, CallTurns]]:
        """Each with its calls."""
        return iter(self._callers.items())


def _first_of(line: OrderedDict[int, _Flow], passed: Passed) -> _Flow | None:
    """The first call that has something left of its turn; the first of all when none has."""
    first: _Flow | None = None
    for flow_id, flow in line.items():
        if flow_id in passed.flows:
            continue
        if flow.items_left > 0:
            return flow
        first = first or flow
    return first
