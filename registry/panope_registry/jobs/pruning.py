"""Deletes jobs that ended long ago, a few at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, func, or_, select

from panope_registry.jobs.clock import Clock
from panope_registry.jobs.types import OPEN
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job, job_dependency

BATCH = 100
"""The jobs that one transaction deletes at most."""

RECENT = timedelta(hours=1)
"""The time that a job stays after its end, whatever the limits say: somebody may be looking at it."""

_other = job.alias("other")
_HAS_ENDED = job.c.status.not_in(OPEN)
_IS_REFERRED_TO = or_(
    exists().where(job_dependency.c.depends_on_id == job.c.id),
    exists().where(_other.c.parent_id == job.c.id),
)
# SQLite would give its id again, and whoever has kept that would find another job.
_IS_NEWEST = job.c.id == select(func.max(_other.c.id)).scalar_subquery()


@dataclass(frozen=True)
class Retention:
    """The limits on jobs that have ended.

    Attributes:
        days: after its end; 0 for no limit.
        count: of the newest; 0 for no limit.
    """

    days: float = 30.0
    count: int = 10_000


class Pruning:
    """Deletes what is past its retention.

    A job goes after those that refer to it, as what they need or as their parent. So what stays keeps all that it
    names, and nothing goes that an open job depends on.
    """

    def __init__(self, database: Database, clock: Clock, retention: Retention) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention

    def prune_some(self) -> int:
        """Deletes a few jobs and returns how many. There may be more unless it is 0.

        Raises:
            AvailabilityError: the database does not answer.
        """
        with self._database.write() as connection:
            moment = self._clock(connection)
            past = or_(False, *self._limits(moment))
            wanted = select(job.c.id).where(_HAS_ENDED, job.c.finished_at < moment - RECENT, past)
            wanted = wanted.where(~_IS_REFERRED_TO, ~_IS_NEWEST)
            newest_first = wanted.order_by(job.c.id.desc()).limit(BATCH).with_for_update(skip_locked=True)
            ids = connection.execute(newest_first).scalars().all()
            if not ids:
                return 0
            # Asked again now that they are locked: a job may have come that refers to one.
            return connection.execute(delete(job).where(job.c.id.in_(ids), ~_IS_REFERRED_TO)).rowcount

    def _limits(self, moment: datetime) -> list[ColumnElement[bool]]:
        limits: list[ColumnElement[bool]] = []
        if self._retention.days:
            limits.append(job.c.finished_at < moment - timedelta(days=self._retention.days))
        if self._retention.count:
            newest = select(_other.c.id).where(_other.c.status.not_in(OPEN)).order_by(_other.c.id.desc())
            limits.append(job.c.id <= newest.offset(self._retention.count).limit(1).scalar_subquery())
        return limits
