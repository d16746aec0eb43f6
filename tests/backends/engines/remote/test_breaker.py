"""When a server that fails is asked again."""

from __future__ import annotations

import pytest

from panope_backends.engines.remote.breaker import FAILURES, UpstreamBreaker
from panope_backends.errors import AvailabilityError
from panope_backends.retry import RetryPolicy


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> UpstreamBreaker:
    return UpstreamBreaker(clock, RetryPolicy(base_seconds=1.0, cap_seconds=30.0, jitter=0.0))


def pause_of(breaker: UpstreamBreaker) -> float | None:
    """After how many seconds it lets a request pass; None for at once."""
    try:
        breaker.check()
    except AvailabilityError as error:
        return error.retry_after_seconds
    return None


def fail(breaker: UpstreamBreaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_it_opens_after_so_many_failures_in_a_row(breaker: UpstreamBreaker) -> None:
    fail(breaker, FAILURES - 1)
    assert pause_of(breaker) is None
    breaker.succeeded()
    fail(breaker, FAILURES - 1)
    assert pause_of(breaker) is None
    breaker.failed()
    with pytest.raises(AvailabilityError) as refusal:
        breaker.check()
    assert (refusal.value.reason, refusal.value.retry_after_seconds) == ("upstream_breaker_open", 1.0)


def test_requests_that_were_on_the_way_make_the_pause_no_longer(breaker: UpstreamBreaker, clock: Clock) -> None:
    fail(breaker, 32)
    assert pause_of(breaker) == 1.0
    clock.now += 1.0
    assert pause_of(breaker) is None


def test_one_request_tries_and_its_failure_doubles_the_pause(breaker: UpstreamBreaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    for seconds in (2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        clock.now += 30.0
        assert pause_of(breaker) is None
        assert pause_of(breaker) == 1.0, "one tries at a time"
        breaker.failed()
        assert pause_of(breaker) == seconds
    clock.now += 30.0
    assert pause_of(breaker) is None
    breaker.succeeded()
    fail(breaker, FAILURES)
    assert pause_of(breaker) == 1.0


def test_one_that_is_left_lets_the_next_try(breaker: UpstreamBreaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    clock.now += 1.0
    assert pause_of(breaker) is None
    breaker.abandoned()
    assert pause_of(breaker) is None
