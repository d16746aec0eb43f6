"""When a model that failed is tried again, and what calls hear until then."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import AvailabilityError, DataLossError, InternalError, PanopeError, PreconditionError
from panope_server.runtime.models.circuit_breaker import PAUSES, BreakerState, CircuitBreaker


def test_calls_hear_how_long_the_pause_is_and_it_doubles_up_to_five_minutes() -> None:
    now = 100.0
    breaker = CircuitBreaker("acme/tiny", lambda: now)
    pauses = []
    for _ in range(7):
        breaker.record_failure(InternalError("its worker ends again and again: exit code 1"))
        refusal = breaker.refusal()
        assert isinstance(refusal, AvailabilityError)
        assert (refusal.reason, "again and again" in refusal.message) == ("model_failed", True)
        pauses.append(refusal.retry_after_seconds)
    assert pauses == [10, 20, 40, 80, 160, 300, 300]


def test_after_the_pause_and_after_success_nothing_is_refused() -> None:
    now = 0.0
    breaker = CircuitBreaker("acme/tiny", lambda: now)
    breaker.record_failure(InternalError("broken"))
    now = 10.0
    assert breaker.refusal() is None
    breaker.record_failure(InternalError("broken"))
    breaker.reset()
    assert breaker.refusal() is None


@pytest.mark.parametrize(
    "error", [PreconditionError("no device can run this model", reason="no_backend"), DataLossError("damaged")]
)
def test_what_somebody_must_change_is_told_as_it_is(error: PanopeError) -> None:
    breaker = CircuitBreaker("acme/tiny")
    breaker.record_failure(error)
    refusal = breaker.refusal()
    assert type(refusal) is type(error)
    assert refusal.reason == error.reason


@pytest.mark.parametrize("failures", [1_100, 5_000])
def test_a_model_that_fails_for_weeks_still_answers(failures: int) -> None:
    breaker = CircuitBreaker("acme/tiny")
    for _ in range(failures):
        breaker.record_failure(InternalError("broken"))
    refusal = breaker.refusal()
    assert refusal is not None
    assert refusal.retry_after_seconds == pytest.approx(PAUSES.cap_seconds, abs=1)


SECONDS = st.floats(min_value=0, max_value=1000, allow_nan=False)


@given(st.lists(st.one_of(st.just("fails"), st.just("serves"), SECONDS), max_size=40))
def test_it_is_closed_after_a_success_open_for_a_pause_after_a_failure_and_half_open_then(
    events: list[str | float],
) -> None:
    now, failed_at, in_a_row = 0.0, 0.0, 0
    breaker = CircuitBreaker("acme/tiny", lambda: now)
    for event in events:
        if event == "fails":
            breaker.record_failure(InternalError("broken"))
            failed_at, in_a_row = now, in_a_row + 1
        elif event == "serves":
            breaker.reset()
            in_a_row = 0
        else:
            now += float(event)
        pause = min(300.0, 10.0 * 2 ** max(0, in_a_row - 1)) if in_a_row else 0.0
        waits = failed_at + pause > now
        expected = (BreakerState.OPEN if waits else BreakerState.HALF_OPEN) if in_a_row else BreakerState.CLOSED
        refusal = breaker.refusal()
        assert breaker.state is expected
        assert (refusal is not None) == (expected is BreakerState.OPEN) == (breaker.seconds_left > 0)
        if refusal is not None:
            assert 0 < (refusal.retry_after_seconds or 0) <= pause + 1e-6  # of floats that are added and taken away
