"""The failure of a job's attempt, and how long the job waits after it."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.errors import PanopeError
from panope_backends.retry import RetryPolicy, is_temporary

#: How long a job waits after an attempt that failed; how many it has stands in its row.
JOB_RETRIES = RetryPolicy(base_seconds=2.0, cap_seconds=300.0)


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
    return Failure(error.reason, error.message, is_temporary(error), error.retry_after_seconds or 0.0)
