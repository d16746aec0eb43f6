"""The requests that a worker may die of: those it has, and cancelled ones that it may be at all the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from panope_server.runtime.instances.in_flight import Entry
from panope_server.runtime.instances.quarantine import fingerprint_of

MAX_WITHDRAWN = 256


class Suspects:
    """Of one worker.

    Attributes:
        busy_ids: of the requests that it was at, as it told last.
    """

    def __init__(self) -> None:
        self.busy_ids: Sequence[int] = ()
        self._withdrawn: OrderedDict[int, bytes] = OrderedDict()

    def withdraw(self, entry: Entry) -> None:
        """Remembers a request that was cancelled."""
        self._withdrawn[entry.id] = fingerprint_of(entry)
        while len(self._withdrawn) > MAX_WITHDRAWN:
            self._withdrawn.popitem(last=False)

    def of(self, held: Sequence[Entry], *, hung: bool) -> set[bytes]:
        """The fingerprints of what a worker may have died of: if it hung, what it was at; else all that it had."""
        at_work = set(self.busy_ids)
        gone = {self._withdrawn[each] for each in at_work if each in self._withdrawn}
        busy = {fingerprint_of(entry) for entry in held if entry.id in at_work} | gone
        return busy if busy and hung else {fingerprint_of(entry) for entry in held} | gone
