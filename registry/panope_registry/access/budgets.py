"""What servers may hand out of rates and quotas: slices, each taken by one UPDATE … RETURNING.

A row holds how much of a limit is `used`. Of a rate that sinks steadily, as a bucket that leaks; of a quota it begins
anew when its day or month does. A server takes a slice, lets calls in from it, and comes back for the next; so servers
that share a database keep one limit together, and the database sees a few writes a second for a busy key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Double, Integer, bindparam, case, cast, func, update
from sqlalchemy.dialects import postgresql, sqlite

from panope_registry.access.limits import Limit, Period
from panope_registry.tables.access_tables import limit_budget
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database

#: How far ahead of the clock the last write may be, for writes that come together pass each other.
RATE_SKEW_SECONDS = 1.0
#: The same of a quota, whose windows begin by servers' own clocks: nobody gets it twice while those differ by less.
QUOTA_SKEW_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What a server asks of one limit.

    Attributes:
        subject: whose limit it is: `key:ID` or `model:NAME`.
        limit: that is counted.
        wanted: how much to hand out, at most; what there is of it, in whole units, is given.
        spent: how much more, or when it is less than 0 less, was used than was handed out; counted in any case.
    """

    subject: str
    limit: Limit
    wanted: float
    spent: float = 0.0

    @property
    def order(self) -> tuple[str, str, str]:
        """In which demands lock their rows, so that two servers never wait for each other."""
        return self.subject, self.limit.counted, self.limit.period


@dataclass(frozen=True, slots=True)
class Grant:
    """What was handed out.

    Attributes:
        granted: so much.
        remaining: what is left of the limit after it, for everybody.
        reset_seconds: until all of the limit is there again.
    """

    granted: float
    remaining: float
    reset_seconds: float


class Budgets:
    """Safe for use by several threads, processes and machines; AvailabilityError when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._take = _statement(database.engine.dialect.name)

    def take(self, demands: Sequence[Demand]) -> list[Grant]:
        """Takes a slice of each limit; what each demand gets, in their order."""
        grants: dict[int, Grant] = {}
        moment = now()
        with self._database.write() as connection:
            for index in sorted(range(len(demands)), key=lambda index: demands[index].order):
                grants[index] = self._take_one(connection, demands[index], moment)
        return [grants[index] for index in range(len(demands))]

    def _take_one(self, connection: Connection, demand: Demand, moment: datetime) -> Grant:
        limit = demand.limit
        begun, ends = window_of(limit.period, moment) if limit.is_quota else (moment, moment)
        values = {
            "for_subject": demand.subject,
            "for_counted": limit.counted.value,
            "for_period": limit.period.value,
            "amount": float(limit.amount),
            "per_second": 0.0 if limit.is_quota else limit.per_second,
            # Of a rate no time is before its window.
            "window": begun.timestamp() if limit.is_quota else 0.0,
            "skew": QUOTA_SKEW_SECONDS if limit.is_quota else RATE_SKEW_SECONDS,
            "moment": moment.timestamp(),
            "wanted": float(demand.wanted),
            "spent": float(demand.spent),
        }
        row = connection.execute(self._take, values).one_or_none()
        if row is None:
            _begin(connection, demand, moment)
            row = connection.execute(self._take, values).one()
        remaining = max(0.0, limit.amount - row.used)
        if limit.is_quota:
            return Grant(row.granted, remaining, (ends - moment).total_seconds())
        return Grant(row.granted, remaining, max(0.0, row.used) / limit.per_second)


def window_of(period: Period, moment: datetime) -> tuple[datetime, datetime]:
    """When the day or the month of a moment begins and ends, in UTC."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        return day, day + timedelta(days=1)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _statement(dialect: str) -> Any:
    """One statement, so that no two servers are ever handed the same."""
    number: Double[float] = Double()
    amount, wanted, spent = (bindparam(name, type_=number) for name in ("amount", "wanted", "spent"))
    window, per_second = (bindparam(name, type_=number) for name in ("window", "per_second"))
    # Servers that share PostgreSQL may have different clocks; SQLite's file has one machine.
    clock = (
        func.extract("epoch", func.clock_timestamp()) if dialect == "postgresql" else bindparam("moment", type_=number)
    )
    table = limit_budget.c
    elapsed = _greater(clock - table.updated_at, 0.0)
    used = _greater(case((table.updated_at < window, 0.0), else_=table.used) - elapsed * per_second, 0.0)
    # It may be less than 0: what was given back of an empty bucket is lost.
    after = _greater(used + spent, 0.0)
    room = _floor(_greater(amount - after, 0.0), dialect)
    granted = _lesser(room, wanted)
    mine = (
        (table.subject == bindparam("for_subject"))
        & (table.counted == bindparam("for_counted"))
        & (table.period == bindparam("for_period"))
    )
    # A clock that was far ahead and is right again must not stop a limit until it comes there once more.
    was_ahead = table.updated_at > clock + bindparam("skew", type_=number)
    moved = _greater(case((was_ahead, clock), else_=_greater(clock, table.updated_at)), window)
    return (
        update(limit_budget)
        .where(mine)
        .values(used=after + granted, granted=granted, updated_at=moved)
        .returning(table.granted, table.used)
    )


def _begin(connection: Connection, demand: Demand, moment: datetime) -> None:
    """Makes the row of a limit; another server may just have made it."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = {
        "subject": demand.subject,
        "counted": demand.limit.counted.value,
        "period": demand.limit.period.value,
        "used": 0.0,
        "updated_at": moment.timestamp(),
        "granted": 0.0,
    }
    connection.execute(make(limit_budget).values(row).on_conflict_do_nothing())


def _greater(one: Any, other: Any) -> Any:
    return case((one > other, one), else_=other)


def _lesser(one: Any, other: Any) -> Any:
    return case((one < other, one), else_=other)


def _floor(number: Any, dialect: str) -> Any:
    """Whole units: parts of one would lie with several servers and let no call in."""
    return func.floor(number) if dialect == "postgresql" else cast(number, Integer)
