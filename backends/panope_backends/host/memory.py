"""The machine's own memory, and what its control groups leave this process of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from panope_backends.host.control_groups import ControlGroups, read_number, read_text

_GROUPS = ControlGroups()


def memory_bytes(groups: ControlGroups = _GROUPS) -> int:
    """The memory that this process and its like may use."""
    limits = (limit for limit, _, _ in _limits(groups))
    return min(int(psutil.virtual_memory().total), *limits, 1 << 62)


def free_memory_bytes(groups: ControlGroups = _GROUPS) -> int:
    """What can still be allocated; files in memory count as free, for they go when room is needed."""
    free = int(psutil.virtual_memory().available)
    for limit, used_file, cached in _limits(groups):
        used = read_number(used_file)
        if used is not None:
            free = min(free, limit - used + _cached(used_file.parent / "memory.stat", cached))
    return max(0, free)


def _limits(groups: ControlGroups) -> Iterator[tuple[int, Path, str]]:
    """The limit of each group that has one, the file of what it uses, and the name of what files take of that."""
    for folder in groups.unified():
        if (limit := read_number(folder / "memory.max")) is not None:
            yield limit, folder / "memory.current", "inactive_file"
    for folder in groups.of("memory"):
        if (limit := read_number(folder / "memory.limit_in_bytes")) is not None:
            yield limit, folder / "memory.usage_in_bytes", "total_inactive_file"


def _cached(file: Path, name: str) -> int:
    """What a group's files take in memory and give up when it is needed."""
    lines = (line.split() for line in read_text(file).splitlines())
    return next((int(parts[1]) for parts in lines if len(parts) == 2 and parts[0] == name), 0)
