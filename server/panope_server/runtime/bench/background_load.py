"""How much of the processors other programs take meanwhile, which is what spoils a measurement."""

from __future__ import annotations

import psutil

from panope_registry.serving_records.profiles import Profile
from panope_server.runtime.hardware.usage.processor_time import ProcessorTime

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
        pid: of the process that is measured, with those that it has started; this process is no other either.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began, self._own = ProcessorTime.now(), self._own_seconds()

    def share(self) -> float:
        """The part that others took of the processors that this process may use, 0 to 1."""
        return ProcessorTime.now().taken_since(self._began, self._own_seconds() - self._own)

    def _own_seconds(self) -> float:
        return _seconds(psutil.Process()) + processor_seconds(self._pid)


def processor_seconds(pid: int) -> float:
    """What a process, and those that it has started, have taken of the processors since they began."""
    process = psutil.Process(pid)
    return sum(map(_seconds, [process, *process.children(recursive=True)]))


def _seconds(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # it has ended meanwhile
    return float(used.user + used.system)
