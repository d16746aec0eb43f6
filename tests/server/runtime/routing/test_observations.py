"""Servers that share a registry learn from each other's calls, and a database that is away loses nothing."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator, Mapping

import pytest
from simulation import NoSums, bandit, route_of

from panope_backends.errors import AvailabilityError
from panope_registry.models.routes import Metric
from panope_registry.serving_records.route_statistics import FAILURE, Moments, RouteId, RouteStatistics, StatisticKey
from panope_registry.tables.database import Database, open_engine
from panope_registry.tables.migrate import migrate
from panope_server.runtime.routing.observations import RouteObservations

NAMED = route_of(["acme/a", "acme/b"], bandit(Metric.LATENCY))


@pytest.fixture
def statistics(tmp_path) -> Iterator[RouteStatistics]:  # type: ignore[no-untyped-def]
    engine = open_engine(tmp_path / "registry.sqlite3")
    migrate(engine)
    database = Database(engine)
    yield RouteStatistics(database)
    database.close()


async def test_what_one_server_observes_the_others_know_after_it_was_written(statistics: RouteStatistics) -> None:
    one, other = RouteObservations(statistics), RouteObservations(statistics)
    await other.follow(NAMED)
    for seconds in (0.1, 0.2):
        one.observe(NAMED, "acme/a", Metric.LATENCY, seconds)
    one.observe_end(NAMED, "acme/b", failed=True)
    assert one.of(NAMED, Metric.LATENCY)["acme/a"].calls == 2, "at once for itself"
    assert other.of(NAMED, Metric.LATENCY)["acme/a"].calls == 0
    await one.flush()
    await other.flush()
    for each in (one, other):
        known = each.of(NAMED, Metric.LATENCY)["acme/a"]
        assert known.calls == 2
        assert known.mean == pytest.approx((math.log(0.1) + math.log(0.2)) / 2)
        assert each.of(NAMED, FAILURE)["acme/b"].mean == 1
    other.observe(NAMED, "acme/a", Metric.LATENCY, 0.3)
    await other.flush()
    await one.flush()
    await one.flush()
    assert one.of(NAMED, Metric.LATENCY)["acme/a"].calls == 3, "and counts once"


async def test_a_server_that_comes_later_begins_with_what_is_known(statistics: RouteStatistics) -> None:
    first, later = RouteObservations(statistics), RouteObservations(statistics)
    first.observe(NAMED, "acme/a", Metric.REWARD, 1.0)
    await first.flush()
    await later.follow(NAMED)
    assert later.of(NAMED, Metric.REWARD)["acme/a"].total == pytest.approx(1.0)


class Broken(NoSums):
    """A registry that is away as often as it is told."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.written: list[Mapping[StatisticKey, Moments]] = []

    def add(self, observed: Mapping[StatisticKey, Moments], half_lives: Mapping[RouteId, float]) -> None:
        if self.left:
            self.left -= 1
            raise AvailabilityError("the database is away")
        self.written.append(dict(observed))


async def test_what_could_not_be_written_counts_here_and_is_written_later() -> None:
    registry = Broken(times=1)
    observations = RouteObservations(registry)
    observations.observe(NAMED, "acme/a", Metric.REWARD, 1.0)
    with pytest.raises(AvailabilityError):
        await observations.flush()
    observations.observe(NAMED, "acme/a", Metric.REWARD, 0.0)
    assert observations.of(NAMED, Metric.REWARD)["acme/a"].calls == 2
    await observations.flush()
    await observations.flush()
    assert [sum(each.calls for each in batch.values()) for batch in registry.written] == [1, 1]


async def test_no_call_waits_for_a_database_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    class Hanging(NoSums):
        def of(self, half_lives: Mapping[RouteId, float]) -> dict[StatisticKey, Moments]:
            goes_on.wait()
            return {}

    monkeypatch.setattr("panope_server.runtime.routing.observations.FOLLOW_SECONDS", 0.01)
    observations = RouteObservations(Hanging())
    try:
        async with asyncio.timeout(10):
            await observations.follow(NAMED)
    finally:
        goes_on.set()
    assert observations.of(NAMED, Metric.LATENCY)["acme/a"].calls == 0


async def test_a_failure_counts_as_ten_times_what_is_typical() -> None:
    observations = RouteObservations(NoSums())
    for _ in range(3):
        observations.observe(NAMED, "acme/a", Metric.LATENCY, 0.1)
    observations.observe_failure(NAMED, "acme/b", Metric.LATENCY, 0.001)
    assert math.exp(observations.of(NAMED, Metric.LATENCY)["acme/b"].mean) == pytest.approx(1.0)
    observations.observe_failure(NAMED, "acme/b", Metric.REWARD, 0.0)
    assert observations.of(NAMED, Metric.REWARD)["acme/b"].mean == 0


async def test_old_observations_count_less_by_the_half_life_of_their_route() -> None:
    now = 0.0
    observations = RouteObservations(NoSums(), lambda: now)
    named = route_of(["acme/a", "acme/b"], bandit(Metric.REWARD, half_life_seconds=10))
    observations.observe(named, "acme/a", Metric.REWARD, 1.0)
    await observations.flush()
    assert observations.of(named, Metric.REWARD)["acme/a"].calls == 0, "this registry keeps nothing"


async def test_a_route_that_nobody_calls_is_read_no_more() -> None:
    now = 0.0
    asked: list[Mapping[RouteId, float]] = []

    class Listening(NoSums):
        def of(self, half_lives: Mapping[RouteId, float]) -> dict[StatisticKey, Moments]:
            asked.append(dict(half_lives))
            return {}

    observations = RouteObservations(Listening(), lambda: now)
    await observations.follow(NAMED)
    await observations.flush()
    now = 601.0
    await observations.flush()
    assert [list(each) for each in asked] == [[NAMED.id], [NAMED.id], []]
