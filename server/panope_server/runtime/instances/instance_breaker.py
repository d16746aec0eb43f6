"""Keeps requests away from an instance that answers, and answers most of them with failures of its own.

closed ──most requests fail──▶ open ──pause over──▶ half_open ──an answer──▶ closed
                                ▲                       │
                                └───────a failure───────┘   and each in a row doubles the pause

A failure is one of Panope, the engine or the model; what callers do wrong is none. One caller whose requests alone
fail, beside others that are answered, opens nothing: it may be the requests.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable

from panope_backends.retry import RetryPolicy
from panope_server.config import Workers
from panope_server.runtime.status import BreakerState, BreakerView

#: Callers are told how long a pause is, so nothing in it is random.
PAUSES = RetryPolicy(base_seconds=5.0, cap_seconds=120.0, jitter=0.0)

#: Requests that are remembered at most.
MAX_REMEMBERED = 512


class InstanceBreaker:
    """The breaker of one worker process.

    Args:
        workers: how many requests must fail, in what time.
        clock: monotonic seconds.
    """

    def __init__(self, workers: Workers, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._clock = clock
        self._ends: deque[tuple[float, str, bool]] = deque(maxlen=MAX_REMEMBERED)
        self._pauses = 0  # in a row; 0 while it is closed
        self._open_until = 0.0

    @property
    def state(self) -> BreakerState:
        """Whether the instance may be given requests."""
        if not self._pauses:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.seconds_left else BreakerState.HALF_OPEN

    @property
    def seconds_left(self) -> float:
        """The rest of the pause; 0 when the instance may be tried."""
        return max(0.0, self._open_until - self._clock())

    def admits(self, *, is_idle: bool) -> bool:
        """Whether a request may be given to the instance; in the half-open state one at a time."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.HALF_OPEN:
                return is_idle
        return False

    def record(self, caller: str, *, has_failed: bool) -> bool:
        """Counts the end of a request; True when the breaker opens by it.

        What ends while it is open began before, and changes nothing.
        """
        match self.state:
            case BreakerState.OPEN:
                return False
            case BreakerState.HALF_OPEN if not has_failed:
                self._pauses = 0
                self._ends.clear()
        self._ends.append((self._clock(), caller, has_failed))
        if not has_failed or not (self._pauses or self._fails_mostly()):
            return False
        self._pauses += 1
        self._open_until = self._clock() + PAUSES.delay_seconds(self._pauses)
        return True

    def view(self) -> BreakerView:
        """What people see of it."""
        return BreakerView(self.state, self.seconds_left, "most of its requests failed" if self._pauses else "")

    def _fails_mostly(self) -> bool:
        since = self._clock() - self._workers.breaker_window_seconds
        while self._ends and self._ends[0][0] < since:
            self._ends.popleft()
        if len(self._ends) < self._workers.breaker_min_requests:
            return False
        by_caller: defaultdict[str, list[bool]] = defaultdict(list)
        for _, caller, has_failed in self._ends:
            by_caller[caller].append(has_failed)
        failures = sum(has_failed for _, _, has_failed in self._ends)
        failing = sum(any(ends) for ends in by_caller.values())
        is_shared = failing > 1 or len(by_caller) == 1
        return is_shared and failures >= self._workers.breaker_failure_ratio * len(self._ends)
