"""Sums of what servers observe: added up once, faded by their age, apart for each version of an alias."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from panope_registry.serving_records.route_statistics import Moments, RouteId, RouteStatistics, StatisticKey
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.serving_tables import route_statistics

ROUTE = RouteId("prod/embed", 3)
KEY = StatisticKey(ROUTE, "acme/a", "latency")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(open_engine(database_url))
    yield database
    database.close()


@pytest.fixture
def statistics(database: Database) -> RouteStatistics:
    return RouteStatistics(database)


def observed(*values: float) -> Moments:
    moments = Moments()
    for value in values:
        moments.observe(value)
    return moments


def test_batches_add_up(statistics: RouteStatistics) -> None:
    statistics.add({KEY: observed(1.0, 2.0)}, {ROUTE: 0.0})
    statistics.add({KEY: observed(3.0), KEY._replace(target="acme/b"): observed(9.0)}, {ROUTE: 0.0})
    found = statistics.of({ROUTE: 0.0})
    assert found[KEY] == Moments(3, 3.0, 6.0, 14.0)
    assert (found[KEY].mean, found[KEY].deviations) == (2.0, 2.0)
    assert found[KEY._replace(target="acme/b")].mean == 9.0


def test_another_version_and_another_alias_begin_with_nothing(statistics: RouteStatistics) -> None:
    statistics.add({KEY: observed(1.0)}, {ROUTE: 0.0})
    others = {RouteId("prod/embed", 4): 0.0, RouteId("prod", 3): 0.0}
    assert statistics.of(others) == {}
    assert statistics.of({}) == {}


def test_observations_of_a_half_life_ago_count_half_when_read_and_when_added_to(
    statistics: RouteStatistics, database: Database
) -> None:
    statistics.add({KEY: observed(2.0, 2.0)}, {ROUTE: 60.0})
    with database.write() as connection:
        connection.execute(update(route_statistics).values(updated_at=now() - timedelta(seconds=60)))
    read = statistics.of({ROUTE: 60.0})[KEY]
    assert (read.calls, read.observations, read.mean) == (2, pytest.approx(1.0, rel=0.05), pytest.approx(2.0))
    statistics.add({KEY: observed(5.0)}, {ROUTE: 60.0})
    added = statistics.of({ROUTE: 60.0})[KEY]
    assert (added.calls, added.observations) == (3, pytest.approx(2.0, rel=0.05))
    assert added.mean == pytest.approx(3.5, rel=0.02)


def test_servers_that_write_at_once_lose_nothing(statistics: RouteStatistics) -> None:
    keys = [KEY, KEY._replace(metric="reward"), KEY._replace(target="acme/b")]
    barrier = threading.Barrier(4)

    def write() -> None:
        barrier.wait()
        for number in range(10):
            statistics.add({key: observed(1.0) for key in (keys if number % 2 else keys[::-1])}, {ROUTE: 3600.0})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [statistics.of({ROUTE: 3600.0})[key].calls for key in keys] == [40, 40, 40]


def test_writing_statistics_makes_no_server_read_the_registry_again(
    statistics: RouteStatistics, database: Database
) -> None:
    before = database.change_token()
    statistics.add({KEY: observed(1.0)}, {ROUTE: 0.0})
    assert database.change_token() == before
