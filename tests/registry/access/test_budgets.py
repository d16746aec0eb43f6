"""Slices of limits: together never more than the limit, whoever takes them and at once; on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from panope_registry.access import budgets as module
from panope_registry.access.budgets import Budgets, Demand, window_of
from panope_registry.access.limits import Counted, Limit, Period
from panope_registry.session import RegistrySession
from panope_registry.tables.columns import now

QUOTA = Limit(Counted.TOKENS, 1000, Period.DAY)
RATE = Limit(Counted.REQUESTS, 100, Period.HOUR)
MOMENT = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def budgets(session: RegistrySession) -> Budgets:
    return session.budgets


def take(budgets: Budgets, limit: Limit, wanted: float, spent: float = 0.0) -> Any:
    return budgets.take([Demand("key:a", limit, wanted, spent)])[0]


@pytest.mark.parametrize("limit", [QUOTA, RATE], ids=str)
def test_what_is_handed_out_ends_with_the_limit(budgets: Budgets, limit: Limit) -> None:
    part = limit.amount * 0.4
    assert [take(budgets, limit, part).granted for _ in range(4)] == [part, part, limit.amount * 0.2, 0]


@pytest.mark.parametrize("limit", [QUOTA, RATE], ids=str)
def test_servers_at_once_are_never_handed_more_than_the_limit(budgets: Budgets, limit: Limit) -> None:
    with ThreadPoolExecutor(8) as servers:
        grants = list(servers.map(lambda _: take(budgets, limit, limit.amount / 20), range(40)))
    assert sum(grant.granted for grant in grants) == limit.amount


def test_what_is_given_back_is_there_again(budgets: Budgets) -> None:
    take(budgets, QUOTA, 1000)
    assert take(budgets, QUOTA, 500, spent=-300).granted == 300


def test_what_was_spent_beyond_a_slice_is_counted(budgets: Budgets) -> None:
    take(budgets, QUOTA, 100)
    assert take(budgets, QUOTA, 0, spent=850).remaining == 50
    assert take(budgets, QUOTA, 100).granted == 50
    assert take(budgets, QUOTA, 0, spent=100).remaining == 0


def test_more_is_never_given_back_than_was_used(budgets: Budgets) -> None:
    assert take(budgets, QUOTA, 0, spent=-500).remaining == 1000


def test_a_rate_refills_steadily_up_to_its_amount(budgets: Budgets, session: RegistrySession) -> None:
    take(budgets, RATE, 100)
    _age(session, seconds=36 * 10)
    assert take(budgets, RATE, 100).granted == 10
    _age(session, seconds=36_000)
    assert take(budgets, RATE, 1000).granted == 100


def test_a_clock_that_went_back_refills_nothing(budgets: Budgets, session: RegistrySession) -> None:
    take(budgets, RATE, 100)
    _age(session, seconds=-3600)
    assert take(budgets, RATE, 100).granted == 0


def test_a_clock_that_was_ahead_and_is_right_again_stops_no_limit(budgets: Budgets, session: RegistrySession) -> None:
    """A year ahead for a moment, in which calls came."""
    for limit in (RATE, QUOTA):
        take(budgets, limit, limit.amount)
    _age(session, seconds=-365 * 86_400)
    assert take(budgets, RATE, 100).granted == take(budgets, QUOTA, 100).granted == 0
    _age(session, seconds=36 * 10)
    assert take(budgets, RATE, 100).granted == 10, "it refills from the moment on"
    _age(session, seconds=86_400)
    assert take(budgets, QUOTA, 100).granted == 100, "it begins anew with the next day"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL's clock is not in our hands
def test_servers_whose_clocks_differ_by_minutes_at_midnight_hand_a_quota_out_once(
    budgets: Budgets, monkeypatch: pytest.MonkeyPatch, session: RegistrySession
) -> None:
    ahead = now() + timedelta(days=1)
    late = ahead.replace(hour=0, minute=0, second=5, microsecond=0)
    monkeypatch.setattr(module, "now", lambda: late)
    assert take(budgets, QUOTA, 600).granted == 600
    for moment, granted in ((late - timedelta(minutes=10), 400), (late, 0), (late - timedelta(minutes=10), 0)):
        monkeypatch.setattr(module, "now", lambda moment=moment: moment)
        assert take(budgets, QUOTA, 600).granted == granted


def test_a_quota_begins_anew_with_its_day(budgets: Budgets, session: RegistrySession) -> None:
    take(budgets, QUOTA, 1000)
    _age(session, seconds=86_400)
    assert take(budgets, QUOTA, 600).granted == 600
    assert take(budgets, QUOTA, 600).granted == 400


def test_limits_of_others_and_of_other_kinds_are_apart(budgets: Budgets) -> None:
    demands = [Demand("key:b", QUOTA, 1000), Demand("key:a", QUOTA, 1000), Demand("key:a", RATE, 100)]
    assert [grant.granted for grant in budgets.take(demands)] == [1000, 1000, 100]


def test_days_and_months_are_utcs() -> None:
    assert window_of(Period.DAY, MOMENT) == (MOMENT.replace(hour=0), MOMENT.replace(hour=0) + timedelta(days=1))
    december = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert window_of(Period.MONTH, december) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def test_a_grant_tells_when_the_limit_is_whole_again(budgets: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now", lambda: MOMENT)
    assert take(budgets, QUOTA, 1).reset_seconds == 12 * 3600
    assert take(budgets, RATE, 50).reset_seconds == pytest.approx(1800)


def _age(session: RegistrySession, seconds: float) -> None:
    with session.database.write() as connection:
        connection.execute(text("UPDATE limit_budget SET updated_at = updated_at - :seconds"), {"seconds": seconds})
