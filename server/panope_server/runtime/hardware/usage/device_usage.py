"""What a device does at this moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceUsage:
    """What a device does, whoever uses it; None for what nobody tells.

    Attributes:
        utilization: the part of its time in which it computes, from 0 to 1.
        memory_used_bytes: that is in use.
        memory_total_bytes: in use or not.
        models_memory_bytes: that models of this server hold, as their workers measured.
    """

    utilization: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    models_memory_bytes: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything is."""
        return self != UNKNOWN


UNKNOWN = DeviceUsage()

Reader = Callable[[str], DeviceUsage]
"""Reads what the device at a PCI address does; `UNKNOWN` for one that it does not know. It may wait for a driver."""
