"""Whose turns requests wait for on a device."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flow:
    """Whose turns items wait for.

    Attributes:
        call: items of one call.
        caller: that made it.
        priority_class: 1 for high, 0 for normal, -1 for low.
    """

    call: Hashable = None
    caller: Hashable = None
    priority_class: int = 0
