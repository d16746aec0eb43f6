"""How often a failing source is tried again, and how long to wait before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from panope_backends.errors import AvailabilityError

RETRYABLE = "source_unavailable"
"""The reason of errors that may go away."""


@dataclass(frozen=True)
class RetryPolicy:
    """The retries of one download; its caller may try again later.

    Attributes:
        max_attempts: in a row that bring nothing new before the source's error is passed on.
        base_seconds: the wait after the first of them; it doubles with each; a random part of its upper half
            counts.
        cap_seconds: the longest such wait, and the longest that a source may ask for; with more its error is passed on.
        resume_seconds: the wait after an attempt that brought something.
    """

    max_attempts: int = 6
    base_seconds: float = 0.5
    cap_seconds: float = 60.0
    resume_seconds: float = 0.05
    random: Callable[[], float] = random.random


class RetryState:
    """Counts the failed attempts of one download; progress beyond the `reached` bytes starts the count again."""

    def __init__(self, policy: RetryPolicy, reached: int) -> None:
        self._policy = policy
        self._failed = 0
        self._furthest = reached

    def wait_seconds(self, problem: AvailabilityError, reached: int) -> float:
        """Returns how long to wait before the next attempt.

        Args:
            problem: why the last one ended.
            reached: how many bytes are here.

        Raises:
            AvailabilityError: `problem`, when it does not go away, or the attempts are used up; then it counts them.
        """
        if problem.reason != RETRYABLE:
            raise problem
        policy = self._policy
        if reached > self._furthest:
            self._furthest, self._failed = reached, 0
            return policy.resume_seconds
        self._failed += 1
        asked_for = problem.retry_after_seconds or 0.0
        if self._failed >= policy.max_attempts:
            raise AvailabilityError(
                f"{problem.message}; it was tried {self._failed} times in a row",
                reason=problem.reason,
                retry_after_seconds=problem.retry_after_seconds,
            )
        if asked_for > policy.cap_seconds:
            raise problem
        longest = min(policy.cap_seconds, policy.base_seconds * 2.0 ** (self._failed - 1))
        return max(asked_for, longest * (1 + policy.random()) / 2)
