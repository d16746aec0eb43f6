"""The memory that a cache can still have: of the machine, and of what this process may allocate."""

from __future__ import annotations

from pathlib import Path

from panope_backends.api import LoadedModel
from panope_backends.host.memory import free_memory_bytes

_STATUS = Path("/proc/self/status")


def memory_for(model: LoadedModel, max_memory_bytes: int) -> int:
    """Bytes that this process can still allocate where a model is: on its device, or as `memory_at_hand`."""
    of_device = model.free_memory_bytes()
    return memory_at_hand(max_memory_bytes) if of_device is None else of_device


def memory_at_hand(max_memory_bytes: int) -> int:
    """Bytes that this process can still allocate of the machine's own memory, and of its container's.

    Args:
        max_memory_bytes: that it may allocate in all; 0 for any.
    """
    free = free_memory_bytes()
    allocated = _kibibytes(_STATUS, "VmData:")
    if max_memory_bytes and allocated is not None:
        free = min(free, max(0, max_memory_bytes - allocated))
    return free


def _kibibytes(file: Path, name: str) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    found = next((line.split() for line in lines if line.startswith(name)), None)
    return None if found is None else int(found[1]) << 10
