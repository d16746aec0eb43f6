"""What memory this machine has, and what one process may take of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

from panope_backends.api import Device

HOST = "host"
"""The memory that all backends' processors share."""

_CGROUP = Path("/sys/fs/cgroup")

#: What libraries take for themselves, their threads' stacks included, with room to spare.
ENGINE_BYTES = 2 << 30

#: Of the weights: engines hold them once as they are and once as they compute with them, wider perhaps.
COPIES_TO_RUN = 4
COPIES_TO_CONVERT = 10


class SystemMemory:
    """What the system says is free of the machine's own memory, in the container that this is.

    Args:
        cgroup: where the limits of a container are.
    """

    def __init__(self, cgroup: Path = _CGROUP) -> None:
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


def worker_limit(need_bytes: int, asked_bytes: int, *, on_host: bool) -> int:
    """What the process of one instance may allocate of the machine's own memory.

    Args:
        need_bytes: what the model is said to need.
        asked_bytes: by the settings; 0 for none.
        on_host: whether the model lies in that memory, and not in a device's own.
    """
    most = machine_bytes(()) * 9 // 10
    if asked_bytes or not on_host:
        return min(asked_bytes or most, most)
    return min(COPIES_TO_RUN * need_bytes + ENGINE_BYTES + machine_bytes(()) // 4, most)


def conversion_limit(source_bytes: int) -> int:
    """What a program that converts files of so many bytes may allocate: the original, the result, and proof of both."""
    machine = machine_bytes(())
    return min(COPIES_TO_CONVERT * source_bytes + 2 * ENGINE_BYTES + machine // 4, machine * 9 // 10)


def machine_bytes(devices: Sequence[Device]) -> int:
    """The most that one model can have on this machine: all of its own memory, or of one of these devices."""
    limits = (_number(_CGROUP / name) for name in ("memory.max", "memory/memory.limit_in_bytes"))
    host = min(int(psutil.virtual_memory().total), *(limit for limit in limits if limit is not None), 1 << 62)
    return max([host, *(device.memory_bytes for device in devices)])


def place_of(device: Device) -> str:
    """Where a device's memory is: devices of several backends may be one."""
    return HOST if device.is_emulated or device.name.partition(".")[0] == "CPU" else device.name


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""  # no container, or not Linux
