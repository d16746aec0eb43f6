"""How much of this machine's memory one process may take."""

from __future__ import annotations

from collections.abc import Sequence

from panope_backends.api import Device
from panope_backends.host.memory import memory_bytes

#: What libraries take for themselves, their threads' stacks included, with room to spare.
ENGINE_BYTES = 2 << 30

#: Of the weights: engines hold them once as they are and once as they compute with them, wider perhaps.
COPIES_TO_RUN = 4
COPIES_TO_CONVERT = 10


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
    return max([memory_bytes(), *(device.memory_bytes for device in devices)])
