"""When a model that failed is tried again, and what calls hear until then."""

from __future__ import annotations

import pytest

from panope_backends.errors import AvailabilityError, DataLossError, InternalError, PanopeError, PreconditionError
from panope_server.runtime.models.failure import COOL_DOWNS, LastFailure


def test_calls_hear_how_long_the_pause_is_and_it_doubles_up_to_five_minutes() -> None:
    now = 100.0
    failure = LastFailure("acme/tiny", lambda: now)
    pauses = []
    for _ in range(7):
        failure.record(InternalError("its worker ends again and again: exit code 1"))
        refusal = failure.refusal()
        assert isinstance(refusal, AvailabilityError)
        assert (refusal.reason, "again and again" in refusal.message) == ("model_failed", True)
        pauses.append(refusal.retry_after_seconds)
    assert pauses == [10, 20, 40, 80, 160, 300, 300]


def test_after_the_pause_and_after_success_nothing_is_refused() -> None:
    now = 0.0
    failure = LastFailure("acme/tiny", lambda: now)
    failure.record(InternalError("broken"))
    now = 10.0
    assert failure.refusal() is None
    failure.record(InternalError("broken"))
    failure.clear()
    assert failure.refusal() is None


@pytest.mark.parametrize(
    "error", [PreconditionError("no device can run this model", reason="no_backend"), DataLossError("damaged")]
)
def test_what_somebody_must_change_is_told_as_it_is(error: PanopeError) -> None:
    failure = LastFailure("acme/tiny")
    failure.record(error)
    refusal = failure.refusal()
    assert type(refusal) is type(error)
    assert refusal.reason == error.reason


@pytest.mark.parametrize("failures", [1_100, 5_000])
def test_a_model_that_fails_for_weeks_still_answers(failures: int) -> None:
    failure = LastFailure("acme/tiny")
    for _ in range(failures):
        failure.record(InternalError("broken"))
    refusal = failure.refusal()
    assert refusal is not None
    assert refusal.retry_after_seconds == pytest.approx(COOL_DOWNS.cap_seconds, abs=1)
