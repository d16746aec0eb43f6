"""Which candidates are measured side by side: those that have room in memory together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from panope_server.runtime.hardware.memory import place_of
from panope_server.runtime.placement.memory_estimates import PROCESS_BYTES
from panope_server.runtime.placement.selection.candidate import Candidate

_ROOM = 0.8
"""The part of what is free that candidates may take together; the rest is for what nobody estimated."""


def together(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Groups of candidates that fit beside each other, in their order; each has at least one."""
    groups: list[list[Candidate]] = []
    taken: Counter[str] = Counter()
    for candidate in candidates:
        place, need = place_of(candidate.device), candidate.need_bytes + PROCESS_BYTES
        is_too_much = candidate.free_bytes and taken[place] + need > _ROOM * candidate.free_bytes
        if not groups or is_too_much:
            groups.append([])
            taken.clear()
        groups[-1].append(candidate)
        taken[place] += need
    return groups
