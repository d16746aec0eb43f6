"""Stops asking a server that fails, for a while: its callers hear at once, and it has time to come back."""

from __future__ import annotations

import time
from collections.abc import Callable

from panope_backends.errors import AvailabilityError
from panope_backends.retry import RetryPolicy

#: Failures in a row after which nobody is asked for a while.
FAILURES = 5

_PAUSES = RetryPolicy(base_seconds=1.0, cap_seconds=30.0, jitter=0.2)


class UpstreamBreaker:
    """Counts failures in a row; belongs to one event loop.

    Closed, all requests pass. After `FAILURES` failures it is open, and refuses. When its pause is over one request
    passes: it closes the breaker if it succeeds, and opens it for longer if it does not. Requests that were on the way
    when it opened, and fail, make its pause no longer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, pauses: RetryPolicy = _PAUSES) -> None:
        self._clock = clock
        self._pauses = pauses
        self._failures = 0
        self._opened = 0
        self._open_until = 0.0
        self._is_tried = False

    def check(self) -> None:
        """Lets a request pass, whose end must be told by `succeeded`, `failed` or `abandoned`.

        Raises:
            AvailabilityError: it is open.
        """
        if self._failures < FAILURES:
            return
        wait = self._open_until - self._clock()
        if wait > 0 or self._is_tried:
            raise AvailabilityError(
                "the server that runs the model has failed several times in a row",
                reason="upstream_breaker_open",
                retry_after_seconds=max(wait, self._pauses.base_seconds),
            )
        self._is_tried = True

    def succeeded(self) -> None:
        """The server has answered, be it with a refusal."""
        self._failures = self._opened = 0
        self._open_until = 0.0
        self._is_tried = False

    def failed(self) -> None:
        """The server has failed, or is not there."""
        self._failures += 1
        self._is_tried = False
        if self._failures >= FAILURES and self._clock() >= self._open_until:
            self._opened += 1
            self._open_until = self._clock() + self._pauses.delay_seconds(self._opened)

    def abandoned(self) -> None:
        """Whoever asked has gone before the end, which tells nothing of the server."""
        self._is_tried = False
