"""What callers have used: added up by the hour, once, however often a server has to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from panope_backends.errors import InvalidInputError
from panope_registry.names import checked_limit, checked_text
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.usage_tables import usage, usage_writer

PRUNED_AT_ONCE = 5_000
"""Rows that one transaction deletes, so that none holds up other writers for long."""


class UsageKey(NamedTuple):
    """Whose use it is, of what, and when.

    Attributes:
        hour: its beginning, in UTC.
        principal: the caller's name; empty for one that nobody knows.
        model: `vendor/name`.
        task: that was run, which may be another than the model's own, such as `tokenize`.
    """

    hour: datetime
    principal: str
    model: str
    task: str


@dataclass(slots=True)
class UsageCounts:
    """What was used.

    Attributes:
        requests: that ended, however they did.
        failed_requests: of those, that did not end well: refused, failed or cancelled ones.
        input_tokens: of inputs, as they were run.
        cached_tokens: of those, found computed already.
        output_tokens: that were generated and delivered.
        input_bytes: of inputs, as workers got them.
        output_bytes: of answers, as workers gave them.
        device_microseconds: the requests' share of their devices' time.
    """

    requests: int = 0
    failed_requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    device_microseconds: int = 0

    def add(self, other: UsageCounts) -> None:
        """Adds what else was used."""
        self.requests += other.requests
        self.failed_requests += other.failed_requests
        self.input_tokens += other.input_tokens
        self.cached_tokens += other.cached_tokens
        self.output_tokens += other.output_tokens
        self.input_bytes += other.input_bytes
        self.output_bytes += other.output_bytes
        self.device_microseconds += other.device_microseconds


COUNTS = tuple(field.name for field in fields(UsageCounts))


class Dimension(StrEnum):
    """What sums are told by."""

    KEY = "key"
    MODEL = "model"
    TASK = "task"
    DAY = "day"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class UsageSum:
    """What was used of one kind.

    Attributes:
        period: the day (`2026-01-02`) or the hour (`2026-01-02T03:00:00Z`); empty unless sums are told by one of them.
        principal: the caller's name, empty for those that nobody knows; None unless sums are told by it.
        model: None unless sums are told by it.
        task: None unless sums are told by it.
    """

    period: str
    principal: str | None
    model: str | None
    task: str | None
    counts: UsageCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Which use is told.

    Attributes:
        since: the hour that holds it is the first; None for all.
        until: the hour that holds it is not told any more; None for all.
        principal: of this caller alone, '' for those that nobody knows; None for all.
        model: of this model alone; empty for all.
        task: of this task alone; empty for all.
    """

    since: datetime | None = None
    until: datetime | None = None
    principal: str | None = None
    model: str = ""
    task: str = ""


EVERY_USE = UsageFilter()


class UsageLedger:
    """The table `usage`. Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError when the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, writer: str, sequence: int, rows: Mapping[UsageKey, UsageCounts]) -> bool:
        """Adds a batch to what was used before, unless it, or a later one of the same writer, was written already.

        So a batch may be written again when nobody knows whether it was: after an answer that did not come, or a death.

        Args:
            writer: who has counted, the same for all its batches.
            sequence: the batch's number, larger than those of the writer's batches before.
            rows: what was used since the batch before.

        Returns:
            Whether it was added now.
        """
        moment = now()
        # One order for all writers, so that none waits for another that waits for it.
        ordered = sorted(rows.items(), key=lambda row: (row[0].hour, row[0].principal, row[0].model, row[0].task))
        with self._database.write() as connection:
            if not _claim(connection, writer, sequence, moment):
                return False
            if ordered:
                connection.execute(_adding(connection), [key._asdict() | asdict(counts) for key, counts in ordered])
        return True

    def sums(
        self,
        only: UsageFilter = EVERY_USE,
        *,
        by: Sequence[Dimension] = (),
        offset: int = 0,
        limit: int | None = None,
    ) -> list[UsageSum]:
        """Returns what was used, by time first, then caller, model and task.

        Args:
            only: which use.
            by: what it is told by; one sum of all without any.
            offset: sums that are passed over.
            limit: of sums; None for all.

        Raises:
            InvalidInputError: it is told by days and hours, a name is too long, or a number is none that is counted to.
        """
        if Dimension.DAY in by and Dimension.HOUR in by:
            raise InvalidInputError.at("by", "{field} has both `day` and `hour`")
        checked_text(only.principal or "", "key")
        checked_text(only.model, "model")
        checked_text(only.task, "task")
        with self._database.read() as connection:
            groups = _groups(connection, by)
            wanted = _filtered(
                select(*groups.values(), *(func.sum(usage.c[name]).label(name) for name in COUNTS)), only
            )
            wanted = wanted.group_by(*groups.values()).order_by(*groups.values()).offset(checked_limit(offset))
            wanted = wanted if limit is None else wanted.limit(checked_limit(limit))
            found = connection.execute(wanted).mappings().all()
        return [_sum_of(row) for row in found if row["requests"] is not None]

    def prune(self, before: datetime) -> int:
        """Deletes what was used in hours that began before a moment, in small transactions; how many rows it was.

        Writers that have written nothing since are forgotten too.
        """
        key = tuple_(usage.c.hour, usage.c.principal, usage.c.model, usage.c.task)
        oldest = (
            select(*key.clauses).where(usage.c.hour < before).limit(PRUNED_AT_ONCE).with_for_update(skip_locked=True)
        )
        with self._database.write() as connection:
            connection.execute(delete(usage_writer).where(usage_writer.c.written_at < before))
        count = 0
        while True:
            with self._database.write() as connection:
                gone = connection.execute(delete(usage).where(key.in_(oldest))).rowcount
            count += gone
            if gone < PRUNED_AT_ONCE:
                return count


def _claim(connection: Connection, writer: str, sequence: int, moment: datetime) -> bool:
    """Notes that a writer has come to a batch; False when it had.

    Whoever else writes for this writer waits here until that is decided.
    """
    noted = _insert(connection, usage_writer).values(id=writer, sequence=sequence, written_at=moment)
    came_later = usage_writer.c.sequence < noted.excluded.sequence
    news = {"sequence": noted.excluded.sequence, "written_at": noted.excluded.written_at}
    noted = noted.on_conflict_do_update(index_elements=[usage_writer.c.id], set_=news, where=came_later)
    return connection.execute(noted.returning(usage_writer.c.sequence)).first() is not None


def _adding(connection: Connection) -> Any:
    statement = _insert(connection, usage)
    added = {name: usage.c[name] + statement.excluded[name] for name in COUNTS}
    return statement.on_conflict_do_update(index_elements=list(usage.primary_key.columns), set_=added)


def _insert(connection: Connection, table: Any) -> Any:
    """An insert of the database's own, which knows what to do about a row that is there."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def _groups(connection: Connection, by: Sequence[Dimension]) -> dict[str, ColumnElement[Any]]:
    groups: dict[str, ColumnElement[Any]] = {}
    if Dimension.DAY in by or Dimension.HOUR in by:
        groups["period"] = _period(connection, by_hour=Dimension.HOUR in by).label("period")
    for dimension, name in ((Dimension.KEY, "principal"), (Dimension.MODEL, "model"), (Dimension.TASK, "task")):
        if dimension in by:
            groups[name] = usage.c[name]
    return groups


def _period(connection: Connection, *, by_hour: bool) -> ColumnElement[str]:
    """The day or the hour as a text."""
    if connection.dialect.name == "sqlite":
        return func.strftime("%Y-%m-%dT%H:00:00Z" if by_hour else "%Y-%m-%d", usage.c.hour)
    return func.to_char(func.timezone("UTC", usage.c.hour), 'YYYY-MM-DD"T"HH24":00:00Z"' if by_hour else "YYYY-MM-DD")


def _filtered(wanted: Select[Any], only: UsageFilter) -> Select[Any]:
    if only.since is not None:
        wanted = wanted.where(usage.c.hour >= hour_of(only.since))
    if only.until is not None:
        wanted = wanted.where(usage.c.hour < hour_of(only.until))
    if only.principal is not None:
        wanted = wanted.where(usage.c.principal == only.principal)
    for column, value in ((usage.c.model, only.model), (usage.c.task, only.task)):
        wanted = wanted.where(column == value) if value else wanted
    return wanted


def _sum_of(row: Mapping[Any, Any]) -> UsageSum:
    counts = UsageCounts(**{name: int(row[name]) for name in COUNTS})  # PostgreSQL's sums are decimals
    return UsageSum(row.get("period", ""), row.get("principal"), row.get("model"), row.get("task"), counts)


def hour_of(moment: datetime) -> datetime:
    """Returns the beginning of the hour that holds a moment."""
    return moment.replace(minute=0, second=0, microsecond=0)
