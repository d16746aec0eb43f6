"""When what failed is tried again."""

from __future__ import annotations

import pytest

from panope_backends.errors import AvailabilityError, DataLossError, DeadlineError, OverloadedError, PreconditionError
from panope_backends.retry import RetryPolicy, is_temporary


def test_the_wait_doubles_up_to_its_cap() -> None:
    policy = RetryPolicy(base_seconds=0.5, cap_seconds=60.0, jitter=0.0)
    assert [policy.delay_seconds(attempt) for attempt in (0, 1, 2, 3, 8, 10_000)] == [0.5, 0.5, 1, 2, 60, 60]


@pytest.mark.parametrize(("jitter", "shortest"), [(0.0, 8.0), (0.2, 6.4), (0.5, 4.0), (1.0, 0.0)])
def test_the_jitter_only_shortens_a_wait(jitter: float, shortest: float) -> None:
    least, most = (
        RetryPolicy(base_seconds=8.0, cap_seconds=60.0, jitter=jitter, random=lambda number=number: number)
        for number in (0.0, 1.0)
    )
    assert least.delay_seconds(1) == pytest.approx(shortest)
    assert most.delay_seconds(1) == 8.0


def test_no_wait_is_shorter_than_an_error_asks_for() -> None:
    policy = RetryPolicy(base_seconds=0.5, cap_seconds=60.0)
    assert policy.delay_seconds(1, at_least=7.0) == 7.0


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (AvailabilityError("away"), True),
        (OverloadedError("busy"), True),
        (DeadlineError("late"), True),
        (AvailabilityError("full", reason="disk_full"), False),
        (DataLossError("damaged"), False),
        (PreconditionError("not yet"), False),
        (OSError("a defect"), False),
    ],
)
def test_only_what_time_may_mend_is_temporary(error: Exception, temporary: bool) -> None:
    assert is_temporary(error) is temporary


def test_there_is_another_attempt_while_there_are_any_left_and_the_error_asks_for_no_longer_than_the_cap() -> None:
    policy = RetryPolicy(base_seconds=0.5, cap_seconds=60.0, max_attempts=3)
    away = AvailabilityError("away")
    assert [policy.allows(attempt, away) for attempt in (1, 2, 3, 4)] == [True, True, False, False]
    assert policy.allows(1, AvailabilityError("away", retry_after_seconds=60.0))
    assert not policy.allows(1, AvailabilityError("away", retry_after_seconds=60.1))
    assert not policy.allows(1, DataLossError("damaged"))


def test_without_a_limit_there_is_always_another_attempt() -> None:
    assert RetryPolicy(base_seconds=0.5, cap_seconds=60.0).allows(10_000, AvailabilityError("away"))
