"""Questions about jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from panope_registry.job_records import job, job_need
from panope_registry.jobs.entries import OPEN, JobEntry, JobPart, JobProgress, JobStatus


def find_job(connection: Connection, job_id: int) -> JobEntry | None:
    """The job of that id."""
    return next(iter(_entries(connection, select(job).where(job.c.id == job_id))), None)


def find_jobs(connection: Connection, *, status: JobStatus | None, kind: str, after: int, limit: int) -> list[JobEntry]:
    """Jobs, newest first, those older than job `after`; 0 begins with the newest."""
    wanted = select(job).order_by(job.c.id.desc()).limit(limit)
    if status is not None:
        wanted = wanted.where(job.c.status == status)
    if kind:
        wanted = wanted.where(job.c.kind == kind)
    return _entries(connection, wanted.where(job.c.id < after) if after else wanted)


def find_open_job(connection: Connection, dedupe_key: str) -> JobEntry | None:
    """The unfinished job that does the work of that name."""
    wanted = select(job).where(job.c.dedupe_key == dedupe_key, job.c.dedupe_key != "", job.c.status.in_(OPEN))
    return next(iter(_entries(connection, wanted)), None)


def entries_of(connection: Connection, rows: Sequence[Row[Any]]) -> list[JobEntry]:
    """What whole rows of the table tell, and what those jobs need; one query for any number."""
    needs = _needs(connection, [row.id for row in rows])
    return [_entry(row, tuple(needs[row.id])) for row in rows]


def _entries(connection: Connection, wanted: Select[Any]) -> list[JobEntry]:
    return entries_of(connection, connection.execute(wanted).all())


def _needs(connection: Connection, job_ids: Sequence[int]) -> dict[int, list[int]]:
    needs: dict[int, list[int]] = defaultdict(list)
    wanted = select(job_need).where(job_need.c.job_id.in_(job_ids)).order_by(job_need.c.needed_id)
    for row in connection.execute(wanted) if job_ids else ():
        needs[row.job_id].append(row.needed_id)
    return needs


def _entry(row: Row[Any], depends_on: tuple[int, ...]) -> JobEntry:
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
        depends_on=depends_on,
        requested_by=row.requested_by,
        store=row.store,
    )


def _progress(row: Row[Any]) -> JobProgress:
    parts = tuple(JobPart(**part) for part in row.progress_parts or ())
    return JobProgress(row.progress_phase, row.progress_done, row.progress_total, row.progress_unit, parts)
