"""Where calls stand, and what they take there: the one place where what is held is counted.

An entry has one holder at a time: the queue, then an instance. A holder counts its entries itself, so what an entry
takes is given back by leaving it, once, whoever makes the entry leave and whatever was raised before.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from panope.worker.v1.worker_pb2 import Part
from panope_backends.errors import PanopeError
from panope_registry.access.priority import Priority
from panope_server.runtime.instances.part_stream import PartStream
from panope_server.runtime.instances.worker.frames import error_of
from panope_server.runtime.placement.placement import Placement

#: How many times what is free of a window one flow may have of it.
MAX_SHARE_OF_FREE = 2

#: One in so many places is kept for callers that have nothing there, and for calls of high priority.
RESERVED_PART = 8
#: The same of slots, each of which is worth more.
RESERVED_SLOTS_PART = 16


class Tenant(Protocol):
    """What an instance tells each whose requests it runs."""

    def capacity_freed(self) -> None:
        """The instance can take more requests."""

    def answered(self, entry: Entry, last: Part) -> None:
        """An entry has the last part of its answer; its reader has been told already."""


@dataclass(slots=True, eq=False)
class Entry:
    """One request on its way to an instance, and its answer on the way back.

    Attributes:
        id: unique among the entries of a model; the worker answers by it.
        frame: the whole frame for the worker, made before the entry is anywhere, so that nothing can fail later.
        items: its cost in items, such as texts; a set of tensors counts as one.
        size_bytes: its cost in bytes.
        placement: is told which instance has it.
        head_bytes: where in the frame what is asked begins; before that stands what differs from call to call.
        flow_id: whose turns it waits for, in the queue and in the worker; its call's, so that calls share alike.
        slots: of the model, that it holds while it runs; 0 for none.
        work: its cost in units of work, such as tokens, by estimate; at least 1.
        caller: whose call it is; callers have turns, and their calls share these.
        priority: above 0 is high and below 0 low: higher classes first; of one caller's calls the higher one.
        deadline: when nobody waits for it any more, on `time.monotonic`'s clock; None for no such time.
        alone: whether it must not share a worker with others.
        holder: where it stands; None before and after.
        withdraw: tells the instance that has it that nobody waits for it any more; None while it is in the queue.
        parts: the answer.
        tenant: whose request it is, told of its end; None before an instance has it.
    """

    id: int
    frame: bytes
    items: int
    size_bytes: int
    placement: Placement = field(default_factory=Placement)
    enqueued: float = field(default_factory=time.monotonic)
    dispatched: float = 0.0
    head_bytes: int = 0
    flow_id: int = 0
    slots: int = 0
    work: int = 1
    caller: str = ""
    priority: int = 0
    deadline: float | None = None
    alone: bool = False
    holder: Entries | None = None
    withdraw: Callable[[Entry], None] | None = None
    parts: PartStream = field(default_factory=PartStream)
    tenant: Tenant | None = None

    @property
    def priority_class(self) -> Priority:
        """High above 0, low below."""
        return Priority((self.priority > 0) - (self.priority < 0))

    def leave(self) -> bool:
        """Leaves where it stands; False when it stood nowhere."""
        return self.holder is not None and self.holder.remove(self)

    def receive(self, part: Part) -> None:
        """Takes a part of the worker's answer; leaves with the last."""
        self.placement.device_microseconds += part.device_microseconds
        if part.last:
            self.leave()
        match part.WhichOneof("body"):
            case "output":
                self.parts.put(part.output)
            case "failure":
                self.parts.end(error_of(part.failure))
        if part.last:
            self.parts.end()

    def fail(self, error: PanopeError) -> None:
        """Leaves; the answer ends with an error."""
        self.leave()
        self.parts.end(error)


@dataclass(slots=True)
class Held:
    """What some entries take."""

    entries: int = 0
    items: int = 0
    bytes: int = 0

    def count(self, entry: Entry, sign: int) -> None:
        """Counts an entry that has come, or with a sign of -1 one that has gone."""
        self.entries += sign
        self.items += sign * entry.items
        self.bytes += sign * entry.size_bytes


NOTHING = Held()


class Entries:
    """Entries in the order they came, with the sum of what they take."""

    def __init__(self) -> None:
        self._entries: OrderedDict[int, Entry] = OrderedDict()
        self._by_flow: dict[int, Held] = {}
        self._by_caller: dict[str, Held] = {}
        #: Of each caller in each class.
        self.work_by_caller: dict[tuple[int, str], int] = {}
        self.items = 0
        self.bytes = 0
        self.slots = 0
        self.work = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Takes an entry in; it leaves the holder that it had."""
        entry.leave()
        of_flow = self._by_flow.get(entry.flow_id) or Held()
        of_caller = self._by_caller.get(entry.caller) or Held()
        # Nothing that can fail is called from here on, so that all is counted or nothing.
        self._by_flow[entry.flow_id] = of_flow
        self._by_caller[entry.caller] = of_caller
        self._entries[entry.id] = entry
        self._sum(entry, 1, of_flow, of_caller)
        entry.holder = self

    def remove(self, entry: Entry) -> bool:
        """Lets an entry go; False when it is not here."""
        if entry.holder is not self:
            return False
        del self._entries[entry.id]
        of_flow, of_caller = self._by_flow[entry.flow_id], self._by_caller[entry.caller]
        self._sum(entry, -1, of_flow, of_caller)
        if not of_flow.entries:
            del self._by_flow[entry.flow_id]
        if not of_caller.entries:
            del self._by_caller[entry.caller]
        entry.holder = None
        return True

    def _sum(self, entry: Entry, sign: int, of_flow: Held, of_caller: Held) -> None:
        self.items += sign * entry.items
        self.bytes += sign * entry.size_bytes
        self.slots += sign * entry.slots
        self.work += sign * entry.work
        place = (entry.priority > 0) - (entry.priority < 0), entry.caller
        work = self.work_by_caller.get(place, 0) + sign * entry.work
        if work:
            self.work_by_caller[place] = work
        else:
            del self.work_by_caller[place]
        of_flow.count(entry, sign)
        of_caller.count(entry, sign)

    def get(self, entry_id: int) -> Entry | None:
        """The entry of this id, if it is here."""
        return self._entries.get(entry_id)

    def held_by(self, flow_id: int) -> Held:
        """What a flow takes here."""
        return self._by_flow.get(flow_id, NOTHING)

    def held_by_caller(self, caller: str) -> Held:
        """What a caller takes here."""
        return self._by_caller.get(caller, NOTHING)

    def all(self) -> Iterable[Entry]:
        """Every entry, in the order they came."""
        return self._entries.values()

    def of(self, tenant: Tenant) -> list[Entry]:
        """The entries of one of those whose requests are here."""
        return [entry for entry in self._entries.values() if entry.tenant is tenant]

    def items_of(self, tenant: Tenant) -> int:
        """What those have in items."""
        return sum(entry.items for entry in self.of(tenant))

    def leaves_room(self, entry: Entry, max_items: int, max_bytes: int) -> bool:
        """Whether an entry's flow leaves room for others: it has at most so many times what is free then.

        So one flow has two thirds of the whole, two have two fifths each, and a flow that has nothing here gets in.
        """
        held = self.held_by(entry.flow_id)
        if not held.entries:
            return True
        free_items = max_items - self.items - entry.items
        free_bytes = max_bytes - self.bytes - entry.size_bytes
        return (
            held.items + entry.items <= MAX_SHARE_OF_FREE * free_items
            and held.bytes + entry.size_bytes <= MAX_SHARE_OF_FREE * free_bytes
        )

    def has_slots(self, entry: Entry, slots: int) -> bool:
        """Whether so many slots are enough for it too; what exceeds them all waits for the first in the worker."""
        return not (slots and entry.slots and self.slots) or self.slots + entry.slots <= slots

    def leaves_reserve(self, entry: Entry, max_items: int, max_bytes: int, max_slots: int = 0) -> bool:
        """Whether what is kept for callers that have nothing here, and for high priority, stays free of an entry.

        So one caller's thousand calls never take the last places, and the next caller's goes in at once.
        """
        if entry.priority > 0 or not self.held_by_caller(entry.caller).entries:
            return True
        free = max_items - self.items - entry.items, max_bytes - self.bytes - entry.size_bytes
        if max_slots and entry.slots and max_slots - self.slots - entry.slots < max_slots // RESERVED_SLOTS_PART:
            return False
        return free[0] >= max_items // RESERVED_PART and free[1] >= max_bytes // RESERVED_PART

    def first(self) -> Entry | None:
        """The entry that came first."""
        return next(iter(self._entries.values()), None)

    def drain(self) -> list[Entry]:
        """Lets every entry go."""
        entries = list(self._entries.values())
        for entry in entries:
            self.remove(entry)
        return entries
