"""Reports the progress of a download and checks whether it should stop, ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from panope_registry.download.types import DownloadStopped, Progress, Stop

TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Clock:
    """The time, for tests to replace."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class ProgressReporter:
    """Reports the progress of one download."""

    def __init__(self, total: int, progress: Progress, stop: Stop, clock: Clock) -> None:
        self._total = total
        self._progress = progress
        self._stop = stop
        self._clock = clock
        self._due = clock.monotonic()

    def tick(self, done: int) -> None:
        """Reports that `done` bytes are here, if a report is due; call it often.

        Raises:
            DownloadStopped: the download is to end.
        """
        if (moment := self._clock.monotonic()) >= self._due:
            self._due = moment + TICK_SECONDS
            self.check()
            self._progress(done, self._total)

    def check(self) -> None:
        """Checks whether the download should stop.

        Raises:
            DownloadStopped: the download is to end.
        """
        reason = self._stop()
        if reason is not None:
            raise DownloadStopped(reason)

    def wait(self, seconds: float = TICK_SECONDS) -> None:
        """Waits, and checks meanwhile whether the download should stop."""
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0:
            self.check()
            self._clock.sleep(min(left, TICK_SECONDS))

    def finish(self) -> None:
        """Reports that everything is here."""
        self._progress(self._total, self._total)
