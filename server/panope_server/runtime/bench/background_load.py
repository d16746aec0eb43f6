"""How much of the processors other programs take meanwhile, which is what spoils a measurement."""

from __future__ import annotations

import time

import psutil

from panope_registry.serving_records.profiles import Profile

MAX_BACKGROUND_LOAD = 0.1
"""The part of all processors' time past which what others take disturbs a measurement, unless somebody says another."""

BACKGROUND_LOAD = "processors_taken_by_others"
"""Under which a measurement's details keep it."""


def background_load_of(profile: Profile) -> float:
    """The part of all processors' time that others took during a measurement, 0 to 1."""
    return float(profile.details.get(BACKGROUND_LOAD, 0.0))


class BackgroundLoad:
    """Watches from its creation on.

    Args:
        pid: of the process that is measured; this process is no other either.
    """

    def __init__(self, pid: int) -> None:
        self._pids = (psutil.Process().pid, pid)
        self._began = self._now()

    def share(self) -> float:
        """The part of all processors' time that others took, 0 to 1."""
        wall, busy, own = (end - begin for end, begin in zip(self._now(), self._began, strict=True))
        return min(1.0, max(0.0, (busy - own) / (wall * (psutil.cpu_count() or 1))))

    def _now(self) -> tuple[float, float, float]:
        """Seconds: of the clock, of all processors at work, of those for us."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # What guests take is counted among `user` already.
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
        own = sum(map(processor_seconds, self._pids))
        return time.monotonic(), sum(times) - guests - idle, own


def processor_seconds(pid: int) -> float:
    """What a process has taken of the processors since it began."""
    used = psutil.Process(pid).cpu_times()
    return float(used.user + used.system)
