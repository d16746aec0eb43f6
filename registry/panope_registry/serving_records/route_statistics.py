"""What calls of routes were observed to take: sums that every server adds to, of which what is old counts less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.serving_tables import route_statistics

FAILURE = "failure"
"""Beside the metrics of a policy: 1 for a call that failed, 0 for one that did not."""


class RouteId(NamedTuple):
    """One route: another version of its alias begins with nothing."""

    alias: str
    version: int


class StatisticKey(NamedTuple):
    """What was observed: of which target of which route, by which metric."""

    route: RouteId
    target: str
    metric: str


@dataclass(slots=True)
class Moments:
    """Sums of observations.

    Attributes:
        calls: all that were observed.
        observations: how many they count for by their age, as do the sums.
        total: of the values.
        squares: of the values' squares.
    """

    calls: int = 0
    observations: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def observe(self, value: float) -> None:
        """Adds one observation, made now."""
        self.add(Moments(1, 1.0, value, value * value))

    def add(self, other: Moments) -> None:
        """Adds others, as old as these."""
        self.calls += other.calls
        self.observations += other.observations
        self.total += other.total
        self.squares += other.squares

    def aged(self, part: float) -> Moments:
        """The same when only so large a part of them counts any more."""
        return Moments(self.calls, self.observations * part, self.total * part, self.squares * part)

    @property
    def mean(self) -> float:
        """Of the values; 0 of none."""
        return self.total / self.observations if self.observations > 0 else 0.0

    @property
    def deviations(self) -> float:
        """The sum of the squares of what the values differ from their mean by."""
        return max(0.0, self.squares - self.observations * self.mean**2)


def left_of(seconds: float, half_life_seconds: float) -> float:
    """The part that observations of an age count for, 0 to 1; all of them where the half-life is 0."""
    return 1.0 if half_life_seconds <= 0 else 0.5 ** (max(0.0, seconds) / half_life_seconds)


class RouteStatistics:
    """The table `route_statistics`. Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, observed: Mapping[StatisticKey, Moments], half_lives: Mapping[RouteId, float]) -> None:
        """Adds what was observed since the last batch, to what is left of what was observed before.

        Args:
            observed: new observations.
            half_lives: in seconds, of each of their routes; 0 for what counts for ever.
        """
        if not observed:
            return
        moment = now()
        # One order for all writers, so that none waits for another that waits for it.
        keys = sorted(observed)
        with self._database.write() as connection:
            _insert_missing(connection, keys, moment)
            for key, known, since in _locked(connection, keys):
                age = (moment - since).total_seconds()
                known = known.aged(left_of(age, half_lives.get(key.route, 0.0)))
                known.add(observed[key])
                values = {
                    "calls": known.calls,
                    "observations": known.observations,
                    "total": known.total,
                    "squares": known.squares,
                    "updated_at": max(moment, since),
                }
                connection.execute(update(route_statistics).where(_is(key)).values(values))

    def of(self, half_lives: Mapping[RouteId, float]) -> dict[StatisticKey, Moments]:
        """What is known of routes now.

        Args:
            half_lives: of the routes that are asked for, in seconds.
        """
        if not half_lives:
            return {}
        moment = now()
        wanted = select(route_statistics).where(
            tuple_(route_statistics.c.alias, route_statistics.c.version).in_([tuple(route) for route in half_lives])
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        found = {}
        for row in rows:
            key = StatisticKey(RouteId(row.alias, row.version), row.target, row.metric)
            age = (moment - row.updated_at).total_seconds()
            moments = Moments(row.calls, row.observations, row.total, row.squares)
            found[key] = moments.aged(left_of(age, half_lives[key.route]))
        return found


def _insert_missing(connection: Connection, keys: Iterable[StatisticKey], moment: datetime) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    nothing = {"calls": 0, "observations": 0.0, "total": 0.0, "squares": 0.0, "updated_at": moment}
    rows = [
        {"alias": key.route.alias, "version": key.route.version, "target": key.target, "metric": key.metric, **nothing}
        for key in keys
    ]
    connection.execute(dialect.insert(route_statistics).on_conflict_do_nothing(), rows)


def _locked(connection: Connection, keys: list[StatisticKey]) -> list[tuple[StatisticKey, Moments, datetime]]:
    columns = route_statistics.c
    wanted = (
        select(route_statistics)
        .where(
            tuple_(columns.alias, columns.version, columns.target, columns.metric).in_(
                [(*key.route, key.target, key.metric) for key in keys]
            )
        )
        .order_by(columns.alias, columns.version, columns.target, columns.metric)
        .with_for_update()
    )
    return [
        (
            StatisticKey(RouteId(row.alias, row.version), row.target, row.metric),
            Moments(row.calls, row.observations, row.total, row.squares),
            row.updated_at,
        )
        for row in connection.execute(wanted)
    ]


def _is(key: StatisticKey) -> ColumnElement[bool]:
    columns = route_statistics.c
    return and_(
        columns.alias == key.route.alias,
        columns.version == key.route.version,
        columns.target == key.target,
        columns.metric == key.metric,
    )
