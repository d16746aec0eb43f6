"""How often a failing source is tried again; progress starts the count anew."""

from __future__ import annotations

from panope_backends.errors import AvailabilityError
from panope_backends.retry import RetryPolicy

RETRYABLE = "source_unavailable"
"""The reason of errors that may go away."""


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, AvailabilityError) and error.reason == RETRYABLE


#: Attempts in a row that bring nothing new before the source's error is passed on; the caller may try again later.
DOWNLOAD_RETRIES = RetryPolicy(base_seconds=0.5, cap_seconds=60.0, max_attempts=6, is_temporary=_is_retryable)
#: The wait after an attempt that brought something.
RESUME_SECONDS = 0.05


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
        if self._policy.is_temporary(problem) and reached > self._furthest:
            self._furthest, self._failed = reached, 0
            return RESUME_SECONDS
        self._failed += 1
        if not self._policy.allows(self._failed, problem):
            raise self._final(problem)
        return self._policy.delay_seconds(self._failed, problem.retry_after_seconds or 0.0)

    def _final(self, problem: AvailabilityError) -> AvailabilityError:
        if not self._policy.is_temporary(problem) or self._failed < self._policy.max_attempts:
            return problem
        return AvailabilityError(
            f"{problem.message}; it was tried {self._failed} times in a row",
            reason=problem.reason,
            retry_after_seconds=problem.retry_after_seconds,
        )
