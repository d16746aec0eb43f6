"""How long a call that comes now would take at least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from panope_server.runtime.instances.in_flight import Entries, Entry


def work_before(holders: Iterable[Entries], entry: Entry, work: int) -> int:
    """The work that is done until a call has its answer, its own included, by the turns that callers have.

    All of higher classes comes first, and the caller's own; of each other caller's in its class as much as that is.

    Args:
        holders: what waits, and what instances have: in both callers have turns.
        entry: of the call; who calls and how urgently.
        work: of the whole call.
    """
    above, own = 0, work
    others: Counter[str] = Counter()
    for holder in holders:
        for (priority_class, caller), waiting in holder.work_by_caller.items():
            if priority_class > entry.priority_class:
                above += waiting
            elif priority_class == entry.priority_class and caller == entry.caller:
                own += waiting
            elif priority_class == entry.priority_class:
                others[caller] += waiting
    return above + own + sum(min(waiting, own) for waiting in others.values())
