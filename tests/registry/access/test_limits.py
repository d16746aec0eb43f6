"""Limits and priorities are read as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.errors import InvalidInputError
from panope_registry.access.keys import check_limits
from panope_registry.access.limits import MAX_AMOUNT, Counted, Limit, Period
from panope_registry.access.priority import Priority


@pytest.mark.parametrize(
    ("text", "amount", "period"),
    [
        ("100/s", 100, Period.SECOND),
        ("60/min", 60, Period.MINUTE),
        ("2k/h", 2000, Period.HOUR),
        ("1M/day", 1_000_000, Period.DAY),
        ("3G/month", 3_000_000_000, Period.MONTH),
    ],
)
def test_limits_are_read_as_people_write_them(text: str, amount: int, period: Period) -> None:
    limit = Limit.parse(text, Counted.TOKENS, "tokens")
    assert (limit.amount, limit.period) == (amount, period)
    assert limit.is_quota == (period in (Period.DAY, Period.MONTH))


@pytest.mark.parametrize(
    "text", ["", "100", "/s", "0/s", "-1/s", "1.5/s", "100/week", "1T/day", "9999999G/day", "100/ s"]
)
def test_what_is_no_limit_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Limit.parse(text, Counted.REQUESTS, "rate")
    assert caught.value.field == "rate"


@given(st.integers(1, MAX_AMOUNT - 1), st.sampled_from(Period))
def test_a_limit_is_read_as_it_is_written(amount: int, period: Period) -> None:
    limit = Limit(Counted.REQUESTS, amount, period)
    assert Limit.parse(str(limit), Counted.REQUESTS, "rate") == limit


def test_a_rate_refills_so_much_a_second() -> None:
    assert Limit.parse("120/min", Counted.REQUESTS, "rate").per_second == 2.0


def test_priorities_are_ordered_and_read_by_their_words() -> None:
    assert [Priority.parse(word) for word in ("low", "normal", "high")] == sorted(Priority)
    with pytest.raises(InvalidInputError, match="low, normal or high"):
        Priority.parse("urgent")


@pytest.mark.parametrize(("counted", "field"), [(Counted.REQUESTS, "request_limits"), (Counted.TOKENS, "token_limits")])
def test_two_limits_with_one_period_are_refused_by_the_field_that_has_them(counted: Counted, field: str) -> None:
    limits = [Limit(kind, 1, period) for kind in Counted for period in Period]
    check_limits(limits)
    with pytest.raises(InvalidInputError, match=f"`{field}` has two limits with the same period") as refused:
        check_limits([*limits, Limit(counted, 2, Period.DAY)])
    assert refused.value.field == field
