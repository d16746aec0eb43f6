"""Why a model failed, and when it may be tried again."""

from __future__ import annotations

import time
from collections.abc import Callable

from panope_backends.errors import AvailabilityError, DataLossError, PanopeError, PreconditionError
from panope_backends.retry import RetryPolicy

#: The pauses of a model that failed: callers are told how long they are, so nothing in them is random.
COOL_DOWNS = RetryPolicy(base_seconds=10.0, cap_seconds=300.0, jitter=0.0)


class LastFailure:
    """The last failure of a model that has not served since.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._error: PanopeError | None = None
        self._count = 0
        self._until = 0.0

    def record(self, error: PanopeError) -> None:
        """The model has failed; each failure in a row doubles the pause before the next try."""
        self._error = error
        self._count += 1
        self._until = self._clock() + COOL_DOWNS.delay_seconds(self._count)

    def clear(self) -> None:
        """The model serves, or was unloaded."""
        self._error = None
        self._count = 0

    @property
    def seconds_left(self) -> float:
        """Until it may be tried again."""
        return max(0.0, self._until - self._clock())

    def refusal(self) -> PanopeError | None:
        """What a call is told; None when the model may be tried again.

        What the caller, or an admin, must change is told as it is; everything else with the time to come back.
        """
        left = self.seconds_left
        if self._error is None or left == 0:
            return None
        if isinstance(self._error, PreconditionError | DataLossError):
            return copy_of(self._error)
        return AvailabilityError(
            f"model `{self._model}` cannot serve: {self._error.message}",
            reason="model_failed",
            retry_after_seconds=left,
        )


def copy_of(error: PanopeError) -> PanopeError:
    """A fresh error, because one exception object raised in many tasks collects all their tracebacks."""
    return error.renamed(str)
