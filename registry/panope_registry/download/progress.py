"""Tells how far a download is and asks whether to go on, ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from panope_registry.download.types import DownloadStopped, Progress, Stop

TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Clock:
    """Time, for tests to replace."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class ProgressReporter:
    """Of one download."""

    def __init__(self, total: int, progress: Progress, stop: Stop, clock: Clock) -> None:
        self._total = total
        self._progress = progress
        self._stop = stop
        self._clock = clock
        self._due = clock.monotonic()

    def tick(self, done: int) -> None:
        """To be called often; `done` bytes are here.

        Raises:
            DownloadStopped: the download is to end.
        """
        if (moment := self._clock.monotonic()) >= self._due:
            self._due = moment + TICK_SECONDS
            self.check()
            self._progress(done, self._total)

    def check(self) -> None:
        """Asks whether to go on.

        Raises:
            DownloadStopped: the download is to end.
        """
        reason = self._stop()
        if reason is not None:
            raise DownloadStopped(reason)

    def wait(self, seconds: float = TICK_SECONDS) -> None:
        """Waits, and asks meanwhile whether to go on."""
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0:
            self.check()
            self._clock.sleep(min(left, TICK_SECONDS))

    def finish(self) -> None:
        """Tells that everything is here."""
        self._progress(self._total, self._total)
