"""How long to go on with a source that fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from panope_backends.errors import AvailabilityError

RETRYABLE = "source_unavailable"
"""The reason of errors that may go away."""


@dataclass(frozen=True)
class Patience:
    """Limits of one call; whoever called may come back later.

    Attributes:
        tries: in a row that bring nothing new before the source's error is passed on.
        base_seconds: the wait after the first of them; it doubles with each; a random part of its upper half
            counts.
        cap_seconds: the longest such wait, and the longest that a source may ask for; with more its error is passed on.
        resume_seconds: the wait after a try that brought something.
    """

    tries: int = 6
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    resume_seconds: float = 0.05
    random: Callable[[], float] = random.random


class Tries:
    """Counts the tries of one download; any progress beyond the `reached` bytes starts the count again."""

    def __init__(self, patience: Patience, reached: int) -> None:
        self._patience = patience
        self._failed = 0
        self._furthest = reached

    def wait_seconds(self, problem: AvailabilityError, reached: int) -> float:
        """How long to wait before the next try.

        Args:
            problem: why the last one ended.
            reached: how many bytes are here.

        Raises:
            AvailabilityError: `problem`, when it does not go away or patience is over; then it says how often.
        """
        if problem.reason != RETRYABLE:
            raise problem
        patience = self._patience
        if reached > self._furthest:
            self._furthest, self._failed = reached, 0
            return patience.resume_seconds
        self._failed += 1
        asked_for = problem.retry_after_seconds or 0.0
        if self._failed >= patience.tries:
            raise AvailabilityError(
                f"{problem.message}; it was tried {self._failed} times in a row",
                reason=problem.reason,
                retry_after_seconds=problem.retry_after_seconds,
            )
        if asked_for > patience.cap_seconds:
            raise problem
        longest = min(patience.cap_seconds, patience.base_seconds * 2.0 ** (self._failed - 1))
        return max(asked_for, longest * (1 + patience.random()) / 2)
