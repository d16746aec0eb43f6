"""How long a failed job waits, and which failures are worth another attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from panope_backends.errors import AvailabilityError, CapacityError, DeadlineError, PanopeError


@dataclass(frozen=True)
class Backoff:
    """Doubles the wait with each attempt, up to a cap, and takes a random part of its upper half.

    The randomness keeps many jobs that failed together from coming back together.
    """

    base_seconds: float = 2.0
    cap_seconds: float = 300.0
    random: Callable[[], float] = random.random
    """Of [0, 1)."""

    def seconds(self, attempt: int, at_least: float = 0.0) -> float:
        """Returns how long to wait after an attempt, counted from 1, has failed."""
        longest = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 32))
        return max(at_least, longest * (1 + self.random()) / 2)


@dataclass(frozen=True)
class Failure:
    """The failure of one attempt.

    Attributes:
        reason: a stable word for programs.
        message: a sentence for people.
        retryable: whether the same may succeed later.
        retry_after_seconds: when, at the earliest.
    """

    reason: str
    message: str
    retryable: bool
    retry_after_seconds: float = 0.0


RUNNER_LOST = Failure("runner_lost", "the process that ran the job ended before the job did", retryable=True)
DEFECT = Failure("internal_error", "the job failed by a defect; the log has the cause", retryable=False)


def failure_of(error: BaseException) -> Failure:
    """Returns the failure that a handler's error is."""
    if not isinstance(error, PanopeError):
        return DEFECT
    return Failure(error.reason, error.message, _is_transient(error), error.retry_after_seconds or 0.0)


def _is_transient(error: PanopeError) -> bool:
    # What is full stays full until somebody makes room.
    full = error.reason in ("disk_full", "store_full")
    return isinstance(error, (AvailabilityError, CapacityError, DeadlineError)) and not full
