"""When a failed call is tried again: only when the server said that time helps, never past the call's deadline.

The server knows its queue; a client that guesses makes an overload worse. So a call is repeated only on UNAVAILABLE or
RESOURCE_EXHAUSTED with a hint of when (`google.rpc.RetryInfo`, or `grpc-retry-pushback-ms` or `retry-after-ms` in the
trailing metadata), after at least that time, and only while a budget lasts: when most calls fail, most retries stop.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from panope_client.arguments import check_count, check_not_negative, check_seconds
from panope_client.errors import PanopeClientError

_RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How far the server's hints are followed.

    Attributes:
        max_attempts: tries of one call, the first included; 1 never retries.
        max_wait_seconds: a call whose hint is longer fails at once.
        jitter: the largest part of a wait that is added to it at random, so that callers refused together do not
            come back together.
        budget: retries that may be made in a row when no call succeeds at first.
        refill: what each new call gives back to the budget; 0.1 allows one retry for ten calls in the long run.
    """

    max_attempts: int = 4
    max_wait_seconds: float = 30.0
    jitter: float = 0.2
    budget: float = 10.0
    refill: float = 0.1

    def __post_init__(self) -> None:
        check_count("max_attempts", self.max_attempts)
        for name in ("max_wait_seconds", "jitter", "budget", "refill"):
            check_not_negative(name, getattr(self, name))


class Retries:
    """The state of one client's retries; usable from several threads.

    Args:
        policy: how far the server's hints are followed.
        clock: seconds on a clock that never goes back.
        uniform: a random number from 0 to 1.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self.policy = policy
        self.clock = clock
        self.uniform = uniform
        self._left = policy.budget
        self._lock = threading.Lock()

    def start(self, timeout: float) -> Attempts:
        """Opens the record of one call that may take `timeout` seconds; `math.inf` for any time.

        Raises:
            InvalidArgumentError: the time is no number.
        """
        check_seconds("timeout", timeout)
        with self._lock:
            self._left = min(self.policy.budget, self._left + self.policy.refill)
        return Attempts(self, self.clock() + timeout)

    def spend(self) -> bool:
        """Takes one retry from the budget; False when it is used up."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Attempts:
    """The tries of one call.

    Args:
        retries: the client's state.
        deadline: when the caller stops waiting, on the clock of `retries`; `math.inf` for never.
    """

    def __init__(self, retries: Retries, deadline: float) -> None:
        self._retries = retries
        self._deadline = deadline
        self._made = 0

    def timeout(self) -> float | None:
        """The seconds left for the next try, as gRPC wants them: None for any time."""
        return None if math.isinf(self._deadline) else max(0.0, self._deadline - self._retries.clock())

    def wait_after(self, error: PanopeClientError) -> float | None:
        """The seconds to wait before the next try; None when the error is the call's result."""
        self._made += 1
        policy = self._retries.policy
        if error.code not in _RETRIED or error.retry_after_seconds is None:
            return None
        if self._made >= policy.max_attempts or error.retry_after_seconds > policy.max_wait_seconds:
            return None
        wait = error.retry_after_seconds * (1 + policy.jitter * self._retries.uniform())
        if self._retries.clock() + wait >= self._deadline or not self._retries.spend():
            return None
        return wait
