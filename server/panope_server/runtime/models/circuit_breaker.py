"""Keeps calls away from a model that fails, and lets it be tried again after a pause.

closed ──failure──▶ open ──pause over──▶ half_open ──success──▶ closed
                     ▲                       │
                     └──────failure──────────┘   and each failure in a row doubles the pause

A crash loop, a load that fails and a model that does not fit open the breaker; a worker that lives and fails has one of
its own (`instances/instance_breaker.py`). While it is half open, all who need the
model wait for the one load that tries it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from panope_backends.errors import AvailabilityError, DataLossError, PanopeError, PreconditionError
from panope_backends.retry import RetryPolicy
from panope_server.runtime.status import BreakerState, BreakerView

#: Callers are told how long a pause is, so nothing in it is random.
PAUSES = RetryPolicy(base_seconds=10.0, cap_seconds=300.0, jitter=0.0)


class CircuitBreaker:
    """Remembers the failures in a row of one model.

    Args:
        model: the name that calls are told.
        clock: monotonic seconds.
    """

    def __init__(self, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._clock = clock
        self._last_error: PanopeError | None = None
        self._failures = 0
        self._open_until = 0.0

    @property
    def state(self) -> BreakerState:
        """What the model may do now."""
        if self._last_error is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.seconds_left else BreakerState.HALF_OPEN

    @property
    def seconds_left(self) -> float:
        """The rest of the pause; 0 when the model may be tried."""
        return max(0.0, self._open_until - self._clock())

    def view(self) -> BreakerView:
        """What people see of it."""
        reason = "" if self._last_error is None else self._last_error.message
        return BreakerView(self.state, self.seconds_left, reason)

    def record_failure(self, error: PanopeError) -> None:
        """Opens the breaker."""
        self._last_error = error
        self._failures += 1
        self._open_until = self._clock() + PAUSES.delay_seconds(self._failures)

    def reset(self) -> None:
        """Closes the breaker: the model serves, or was unloaded."""
        self._last_error = None
        self._failures = 0
        self._open_until = 0.0

    def refusal(self) -> PanopeError | None:
        """Returns what a call is told while the breaker is open; None when the model may be tried.

        What the caller, or an admin, must change is told as it is; everything else with the time to come back.
        """
        left = self.seconds_left
        if self._last_error is None or not left:
            return None
        if isinstance(self._last_error, PreconditionError | DataLossError):
            return copy_of(self._last_error)
        return AvailabilityError(
            f"model `{self._model}` cannot serve: {self._last_error.message}",
            reason="model_failed",
            retry_after_seconds=left,
        )


def copy_of(error: PanopeError) -> PanopeError:
    """Returns a fresh error, because one exception object raised in many tasks collects all their tracebacks."""
    return error.renamed(str)
