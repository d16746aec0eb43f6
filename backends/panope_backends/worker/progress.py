"""What a worker is at, for its heartbeats."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Busy:
    """What one thread is at.

    Attributes:
        ids: the frames that it works on; empty while it has nothing to do.
        seconds: how long it has been at it.
    """

    ids: Sequence[int] = ()
    seconds: float = 0.0


class Stopwatch:
    """One thread's work, started and stopped by that thread and read by others."""

    def __init__(self) -> None:
        self._work: tuple[Sequence[int], float] | None = None

    def start(self, ids: Sequence[int]) -> None:
        """The thread begins to work on these frames."""
        self._work = (ids, time.perf_counter())

    def stop(self) -> None:
        """The thread has nothing to do."""
        self._work = None

    def read(self) -> Busy:
        """What the thread is at now."""
        work = self._work
        return Busy() if work is None else Busy(work[0], time.perf_counter() - work[1])
