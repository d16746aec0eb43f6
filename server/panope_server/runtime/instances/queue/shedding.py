"""Which calls leave a full queue so that another can come in.

Those of lower classes first. In the newcomer's own class it is the caller with the most work waiting that loses its
newest calls, as long as it has more than the newcomer's caller would have then (longest queue drop: B. Suter et al.,
Buffer Management Schemes for Supporting TCP in Gigabit Routers with Per-flow Queueing, 1999).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.queue.turns import CallerTurns


@dataclass(frozen=True, slots=True)
class Need:
    """Room in a queue."""

    items: int
    bytes: int
    work: int

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Need:
        """What entries take."""
        return cls(
            sum(entry.items for entry in entries),
            sum(entry.size_bytes for entry in entries),
            sum(entry.work for entry in entries),
        )

    def less(self, other: Need) -> Need:
        """What is missing when the other is there."""
        return Need(self.items - other.items, self.bytes - other.bytes, self.work - other.work)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is missing."""
        return self.items <= 0 and self.bytes <= 0 and self.work <= 0


def calls_to_shed(
    classes: Mapping[int, CallerTurns], newcomer: Entry, work: int, missing: Need
) -> list[Sequence[Entry]] | None:
    """The calls that make room; None when those that may be shed are not enough.

    Args:
        classes: what waits, by class.
        newcomer: of the call that comes.
        work: of that whole call.
        missing: the room that must be made.
    """
    shed: list[Sequence[Entry]] = []
    for call in _candidates(classes, newcomer, work):
        shed.append(call)
        missing = missing.less(Need.of(call))
        if missing.is_nothing:
            return shed
    return None


def _candidates(classes: Mapping[int, CallerTurns], newcomer: Entry, work: int) -> Iterator[Sequence[Entry]]:
    for priority_class in sorted(classes):
        if priority_class < newcomer.priority_class:
            yield from _of_largest(classes[priority_class], least_work=0)
        elif priority_class == newcomer.priority_class:
            turns = classes[priority_class]
            yield from _of_largest(turns, least_work=turns.work_of(newcomer.caller) + work)


def _of_largest(turns: CallerTurns, least_work: int) -> Iterator[Sequence[Entry]]:
    """Calls of whoever has the most work left, while that is more than `least_work`."""
    left = {name: calls.work for name, calls in turns.callers()}
    newest = {name: calls.newest_first() for name, calls in turns.callers()}
    while left:
        name = max(left, key=left.__getitem__)
        if left[name] <= least_work:
            return
        call = next(newest[name], None)
        if call is None:
            del left[name]
            continue
        left[name] -= sum(entry.work for entry in call)
        yield call
