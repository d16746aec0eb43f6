"""Queries for jobs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, Text, bindparam, cast, func, select

from panope_registry.jobs.types import JobEntry, JobPart, JobProgress, JobStatus
from panope_registry.tables.job_tables import KEEPS_ITS_KEY, job, job_dependency

_NEEDS = select(func.aggregate_strings(cast(job_dependency.c.depends_on_id, Text), " ")).where(
    job_dependency.c.job_id == job.c.id
)

JOB_COLUMNS = (job, _NEEDS.correlate(job).scalar_subquery().label("needs"))
"""The columns that `entry_of` reads."""

_BY_ID = select(*JOB_COLUMNS).where(job.c.id == bindparam("job_id"))
_BY_KEY = select(*JOB_COLUMNS).where(job.c.dedupe_key == bindparam("key"), KEEPS_ITS_KEY)


def find_job(connection: Connection, job_id: int) -> JobEntry | None:
    """Finds the job of an id."""
    row = connection.execute(_BY_ID, {"job_id": job_id}).one_or_none()
    return None if row is None else entry_of(row)


def find_jobs(
    connection: Connection,
    *,
    status: JobStatus | None,
    kind: str,
    after: int,
    limit: int,
    owner: str | None = None,
) -> list[JobEntry]:
    """Finds jobs, newest first, those older than job `after`; 0 begins with the newest."""
    wanted: Select[Any] = select(*JOB_COLUMNS).order_by(job.c.id.desc()).limit(limit)
    if status is not None:
        wanted = wanted.where(job.c.status == status)
    if kind:
        wanted = wanted.where(job.c.kind == kind)
    if owner is not None:
        wanted = wanted.where(job.c.owner == owner)
    if after:
        wanted = wanted.where(job.c.id < after)
    return [entry_of(row) for row in connection.execute(wanted)]


def find_keyed_job(connection: Connection, dedupe_key: str) -> JobEntry | None:
    """Finds the job of a dedupe key that is open, or has its files."""
    row = connection.execute(_BY_KEY, {"key": dedupe_key}).one_or_none() if dedupe_key else None
    return None if row is None else entry_of(row)


def entry_of(row: Row[Any]) -> JobEntry:
    """Makes a job of the columns `JOB_COLUMNS`."""
    return JobEntry(
        id=row.id,
        kind=row.kind,
        status=JobStatus(row.status),
        payload=row.payload,
        result=row.result,
        progress=_progress(row),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        error_reason=row.error_reason,
        error_message=row.error_message,
        retryable=row.retryable,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        run_at=row.run_at,
        parent_id=row.parent_id,
        depends_on=tuple(sorted(int(needed) for needed in (row.needs or "").split())),
        requested_by=row.requested_by,
        store=row.store,
        owner=row.owner,
        folder=row.folder,
        files_until=row.files_until,
    )


def _progress(row: Row[Any]) -> JobProgress:
    parts = tuple(JobPart(**part) for part in row.progress_parts or ())
    return JobProgress(row.progress_phase, row.progress_done, row.progress_total, row.progress_unit, parts)
