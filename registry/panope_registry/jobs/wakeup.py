"""Wakes the runners of this process; `waking` rings it for what other processes do."""

from __future__ import annotations

import threading


class Wakeup:
    """Counts its rings, so that one between two waits is not missed."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        """How often it rang."""
        return self._count

    def ring(self) -> None:
        """Wakes all who wait."""
        with self._rung:
            self._count += 1
            self._rung.notify_all()

    def wait(self, heard: int, seconds: float) -> bool:
        """Waits for a ring after the first `heard`; False when the time is up."""
        with self._rung:
            return self._rung.wait_for(lambda: self._count > heard, seconds)
