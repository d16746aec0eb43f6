"""How long to go on with a source that fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from panope_backends.errors import AvailabilityError

RETRYABLE = "source_unavailable"
"""The reason of errors that may go away."""


@dataclass(frozen=True)
class RetryPolicy:
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


class RetryState:
    """Counts the tries of one download; any progress beyond the `reached` bytes starts the count again."""

    def __init__(self, retry_policy: RetryPolicy, reached: int) -> None:
        self._retry_policy = retry_policy
        self._failed = 0
        self._furthest = reached

    def wait_seconds(self, problem: AvailabilityError, reached: int) -> float:
        """How long to wait before the next try.

        Args:
            problem: why the last one ended.
            reached: how many bytes are here.

        Raises:
            AvailabilityError: `problem`, when it does not go away or retry_policy is over; then it says how often.
        """
        if problem.reason != RETRYABLE:
            raise problem
        retry_policy = self._retry_policy
        if reached > self._furthest:
            self._furthest, self._failed = reached, 0
            return retry_policy.resume_seconds
        self._failed += 1
        asked_for = problem.retry_after_seconds or 0.0
        if self._failed >= retry_policy.tries:
            raise AvailabilityError(
                f"{problem.message}; it was tried {self._failed} times in a row",
                reason=problem.reason,
                retry_after_seconds=problem.retry_after_seconds,
            )
        if asked_for > retry_policy.cap_seconds:
            raise problem
        longest = min(retry_policy.cap_seconds, retry_policy.base_seconds * 2.0 ** (self._failed - 1))
        return max(asked_for, longest * (1 + retry_policy.random()) / 2)
