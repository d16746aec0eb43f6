"""The statements that runners send all day, made once: making one takes longer than the database's answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    Text,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    select,
    update,
)

from panope_registry.jobs.queries import JOB_COLUMNS
from panope_registry.jobs.types import JobStatus
from panope_registry.tables.columns import UtcDateTime
from panope_registry.tables.job_tables import job

# No parameters: a planner takes the index of queued jobs when it sees that nothing else is wanted.
_QUEUED: ColumnElement[str] = literal_column("'queued'", Text())
_RUNNING: ColumnElement[str] = literal_column("'running'", Text())

_candidate = job.alias("candidate")

HELD = (
    (job.c.id == bindparam("held_id", type_=Integer()))
    & (job.c.lease_token == bindparam("held_token", type_=Integer()))
    & (job.c.status == _RUNNING)
)
"""That a claim is still its runner's; needs `held_id` and `held_token`."""


#: The columns of a job that nobody runs.
NO_LEASE: Mapping[str, Any] = {"lease_owner": "", "lease_until": None, "progress_parts": None}


class Statements:
    """The statements of one runner.

    Attributes:
        claim: takes the job that is due first and returns it whole; needs `kinds`, `for_store`, `runner`.
        is_due: whether there is one; needs `kinds`, `for_store`.
        end: ends a held job; needs those of `HELD`, and the columns to set beside.

    Unless the server's own time counts, all need `moment`, and `claim` needs `until`, when its lease ends.
    """

    def __init__(self, lease: timedelta, *, server_time: bool, only: Collection[int] | None = None) -> None:
        """Builds the statements.

        Args:
            lease: how long a claim lasts.
            server_time: whether the statements ask the server's clock, which saves a round trip.
            only: the jobs to take, by id; None for all.
        """
        moment: ColumnElement[object] = bindparam("moment", type_=UtcDateTime())
        until: ColumnElement[object] = bindparam("until", type_=UtcDateTime())
        if server_time:
            moment = func.clock_timestamp()
            until = func.clock_timestamp() + literal(lease, Interval())
        due = (
            (_candidate.c.status == _QUEUED)
            & (_candidate.c.run_at <= moment)
            & _candidate.c.kind.in_(bindparam("kinds", expanding=True))
            & (_candidate.c.store.is_(None) | (_candidate.c.store == bindparam("for_store", type_=Text())))
        )
        if only is not None:
            due &= _candidate.c.id.in_(list(only))
        first = (
            select(_candidate.c.id)
            .where(due)
            .order_by(_candidate.c.priority.desc(), _candidate.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        taken = {
            "status": JobStatus.RUNNING,
            "attempt": job.c.attempt + 1,
            "lease_owner": bindparam("runner", type_=Text()),
            "lease_token": job.c.lease_token + 1,
            "lease_until": until,
            "started_at": moment,
        }
        # Compared with `=`: a planner may run the query of an IN more than once and lock more than one row.
        self.claim = update(job).where(job.c.id == first.scalar_subquery()).values(taken).returning(*JOB_COLUMNS)
        self.is_due = select(exists().where(due))
        self.end = update(job).where(HELD).values(finished_at=moment, **NO_LEASE)
