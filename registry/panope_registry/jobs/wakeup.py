"""A wake-up call for the runners of this process; `notifications` makes it for what other processes do."""

from __future__ import annotations

import threading


class Wakeup:
    """Counts its notifications, so that one between two waits is not missed."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How many notifications there were."""
        return self._count

    def notify(self) -> None:
        """Wakes all who wait."""
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, seconds: float) -> bool:
        """Waits for a notification after the first `seen`; returns False when the time is up."""
        with self._condition:
            return self._condition.wait_for(lambda: self._count > seen, seconds)
