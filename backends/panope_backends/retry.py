"""When what failed is tried again: exponential back-off with jitter, for errors that may go away with time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from panope_backends.errors import AvailabilityError, CapacityError, DeadlineError, PanopeError

#: Reasons of errors that stay until somebody makes space.
FULL = frozenset({"disk_full", "store_full", "job_files_full"})
_MAX_DOUBLINGS = 32


def is_temporary(error: BaseException) -> bool:
    """Returns whether an error may go away with time, without anybody's doing."""
    if isinstance(error, PanopeError) and error.reason in FULL:
        return False
    return isinstance(error, (AvailabilityError, CapacityError, DeadlineError))


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often something is tried again, and how long it waits before that.

    The jitter keeps many that failed together from coming back together.

    Attributes:
        base_seconds: the wait after the first failure; it doubles with each further one.
        cap_seconds: the longest such wait, and the longest that an error may ask for.
        jitter: the part of a wait that is random, from 0 to 1.
        max_attempts: in a row; 0 for any number.
        is_temporary: whether an error may go away with time.
        random: a number of [0, 1).
    """

    base_seconds: float
    cap_seconds: float
    jitter: float = 0.5
    max_attempts: int = 0
    is_temporary: Callable[[BaseException], bool] = is_temporary
    random: Callable[[], float] = random.random

    def delay_seconds(self, attempt: int, at_least: float = 0.0) -> float:
        """Returns how long to wait after an attempt, counted from 1, has failed; `at_least` is what its error asks."""
        doublings = min(max(attempt - 1, 0), _MAX_DOUBLINGS)
        longest = min(self.cap_seconds, self.base_seconds * 2.0**doublings)
        return max(at_least, longest * (1 - self.jitter * (1 - self.random())))

    def allows(self, attempt: int, error: PanopeError) -> bool:
        """Returns whether there is to be another attempt after one, counted from 1, that ended with `error`."""
        is_last = bool(self.max_attempts) and attempt >= self.max_attempts
        return not is_last and self.is_temporary(error) and (error.retry_after_seconds or 0.0) <= self.cap_seconds
