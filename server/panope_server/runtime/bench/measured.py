"""What a benchmark found of one candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.bench.background_load import MAX_BACKGROUND_LOAD, background_load_of
from panope_server.runtime.placement.agreement import agrees

PROCESSOR_SECONDS = "processor_seconds_per_item"
"""Under which a measurement's details keep what its worker took of the processors: other programs change it least."""


@dataclass(frozen=True)
class Measured:
    """The result of one candidate: what was measured, or why nothing was."""

    label: str
    precision: str
    profiles: tuple[Profile, ...] = ()
    failure: str = ""
    max_background_load: float = MAX_BACKGROUND_LOAD

    @property
    def is_disturbed(self) -> bool:
        """Whether others took so much of the processors, in each attempt, that it says too little to decide."""
        return any(background_load_of(profile) > self.max_background_load for profile in self.profiles)

    @property
    def is_wrong(self) -> bool:
        """Whether it answers otherwise than the reference, however fast it is."""
        return not all(map(agrees, self.profiles))


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that so large a part of all does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
