"""When a server that fails is left alone: a circuit breaker by pauses that grow."""

from __future__ import annotations

import time
from collections.abc import Callable

#: In a row; one slow answer is no outage.
MAX_FAILURES = 3
FIRST_SECONDS = 1.0
MAX_SECONDS = 30.0


class Pauses:
    """After some failures in a row nothing is tried for a second, then twice as long each time, up to half a minute.

    At the end of a pause one try decides for all.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._seconds = 0.0
        self._until = 0.0
        self._is_trying = False

    def may_try(self) -> bool:
        """Whether an exchange may be begun; one that is must be told of by `succeeded`, `failed` or `given_up`."""
        if self._failures < MAX_FAILURES:
            return True
        if self._is_trying or self._clock() < self._until:
            return False
        self._is_trying = True
        return True

    def may_write(self) -> bool:
        """Whether an exchange may be begun that decides nothing."""
        return self._failures < MAX_FAILURES

    def succeeded(self) -> None:
        """An exchange came to its end."""
        self._failures = 0
        self._seconds = 0.0
        self._is_trying = False

    def failed(self) -> None:
        """One did not."""
        self._failures += 1
        self._is_trying = False
        if self._failures >= MAX_FAILURES:
            self._seconds = min(MAX_SECONDS, 2 * self._seconds or FIRST_SECONDS)
            self._until = self._clock() + self._seconds

    def given_up(self) -> None:
        """One was not waited for to its end, which says nothing."""
        self._is_trying = False
