"""How fast a model works, as measured."""

from __future__ import annotations

_WINDOW_SECONDS = 10.0


class Rate:
    """How many units of work a model answers in a second, averaged over about the last ten seconds of work."""

    def __init__(self) -> None:
        self._work = 0.0
        self._seconds = 0.0

    def record(self, work: int, seconds: float) -> None:
        """Counts work that took `seconds` of the model's busy time."""
        keep = max(0.0, 1 - seconds / _WINDOW_SECONDS)
        self._work = self._work * keep + work
        self._seconds = self._seconds * keep + seconds

    @property
    def per_second(self) -> float | None:
        """None until something was measured."""
        return self._work / self._seconds if self._seconds > 0 else None
