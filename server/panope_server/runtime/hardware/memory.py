"""The machine's own memory, and which devices compute in it."""

from __future__ import annotations

from pathlib import Path

import psutil

from panope_backends.api import Device

HOST = "host"
"""The memory that all backends' processors share."""

CGROUP = Path("/sys/fs/cgroup")


class SystemMemory:
    """What the system says is free of the machine's own memory, in the container that this is.

    Args:
        cgroup: where the limits of a container are.
    """

    def __init__(self, cgroup: Path = CGROUP) -> None:
        self._cgroup = cgroup

    def free_bytes(self) -> int:
        """What can still be allocated; files in memory count as free, for they go when room is needed."""
        free = int(psutil.virtual_memory().available)
        for limit, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, now = _number(self._cgroup / limit), _number(self._cgroup / used)
            if most is not None and now is not None:
                free = min(free, most - now + self._cached((self._cgroup / used).parent / "memory.stat", cached))
        return free

    def _cached(self, file: Path, name: str) -> int:
        """What the container's files take in memory and give up when it is needed."""
        lines = (line.split() for line in _text(file).splitlines())
        return next((int(parts[1]) for parts in lines if len(parts) == 2 and parts[0] == name), 0)


def host_bytes(cgroup: Path = CGROUP) -> int:
    """All of the machine's own memory, or what its container may have of it."""
    limits = (_number(cgroup / name) for name in ("memory.max", "memory/memory.limit_in_bytes"))
    return min(int(psutil.virtual_memory().total), *(limit for limit in limits if limit is not None), 1 << 62)


def place_of(device: Device) -> str:
    """Where a device's memory is: devices of several backends may be one."""
    shares = device.is_emulated or device.name.partition(".")[0] == "CPU" or device.name == "mps"  # Apple's are one
    return HOST if shares else device.name


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""  # no container, or not Linux
