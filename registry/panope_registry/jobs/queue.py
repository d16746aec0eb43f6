"""The table of jobs for those who ask for work and follow it."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from panope_backends.errors import (
    AlreadyExistsError,
    AvailabilityError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
)
from panope_registry.jobs import queries
from panope_registry.jobs.clock import Clock, database_clock
from panope_registry.jobs.dependencies import lock, lock_family, resolve_dependents
from panope_registry.jobs.kinds import check_kind
from panope_registry.jobs.notifications import notify_runners
from panope_registry.jobs.types import JobEntry, JobStatus
from panope_registry.jobs.wakeup import Wakeup
from panope_registry.names import MAX_INTEGER, checked_limit
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job, job_dependency

_ENQUEUE_ATTEMPTS = 10

MAX_ATTEMPTS = 1_000
MAX_PRIORITY = 1_000_000

# What a new job needs is written after it; a subquery would see that of all jobs here.
_INSERT = insert(job).returning(job, literal("").label("needs"))

_FRESH: Mapping[str, Any] = {
    "result": {},
    "progress_phase": "",
    "progress_done": 0,
    "progress_total": 0,
    "progress_unit": "",
    "progress_parts": None,
    "attempt": 0,
    "lease_owner": "",
    "lease_until": None,
    "cancel_requested_at": None,
    "error_reason": "",
    "error_message": "",
    "retryable": False,
    "started_at": None,
    "finished_at": None,
}
"""The columns of a job that begins, the first time and each time that somebody retries it."""


class Jobs:
    """The table of jobs. Safe for use by several threads, processes and machines.

    Every method raises AvailabilityError when the database does not answer; then nothing was changed.
    """

    def __init__(self, database: Database, *, clock: Clock = database_clock) -> None:
        self.database = database
        self.clock = clock
        self.wakeup = Wakeup()
        """Notified whenever this process may have made work for a runner."""

    def enqueue(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        dedupe_key: str = "",
        priority: int = 0,
        depends_on: Sequence[int] = (),
        parent_id: int | None = None,
        max_attempts: int = 5,
        requested_by: str = "",
        store: str | None = None,
        owner: str | None = None,
        folder: str | None = None,
        file_bytes: int = 0,
        check: Callable[[Connection], object] | None = None,
    ) -> JobEntry:
        """Asks for work; a job of the same `dedupe_key` that is open, or has its files, is the answer if there is one.

        Args:
            kind: names the handler.
            payload: what it is to do; goes through JSON.
            dedupe_key: names the work; empty for work that may be done twice.
            priority: higher goes first, then older.
            depends_on: jobs that must succeed first; should one fail, so does this.
            parent_id: the job that asks for this one; cancelling it cancels this.
            max_attempts: how often it is tried while its errors may go away with time.
            requested_by: who asks, for people.
            store: the id of the store that its files are for, whose runners alone take it; None for any.
            owner: the caller that alone may know of it, beside administrators; None for jobs of all.
            folder: of its files, within those of its store; None without any.
            file_bytes: what is in it.
            check: called in the transaction of a new job; what it raises is raised, and there is no job.

        Raises:
            NotFoundError: a job in `depends_on`, or the parent, does not exist.
            PreconditionError: a job in `depends_on` did not succeed, or the parent is cancelled.
            InvalidInputError: no kind, no attempt is allowed, or a number is too large.
        """
        if not kind:
            raise InvalidInputError("a job needs a kind", field="kind")
        if not 1 <= max_attempts <= MAX_ATTEMPTS:
            raise InvalidInputError(
                f"a job needs at least one attempt, and at most {MAX_ATTEMPTS}", field="max_attempts"
            )
        if abs(priority) > MAX_PRIORITY:
            raise InvalidInputError(f"`priority` goes from {-MAX_PRIORITY} to {MAX_PRIORITY}", field="priority")
        values = {
            "kind": kind,
            "payload": dict(payload),
            "dedupe_key": dedupe_key,
            "priority": priority,
            "parent_id": parent_id,
            "max_attempts": max_attempts,
            "requested_by": requested_by,
            "store": store,
            "owner": owner,
            "folder": folder,
            "file_bytes": file_bytes,
        }
        for _ in range(_ENQUEUE_ATTEMPTS):
            try:
                with self.database.write() as connection:
                    entry = queries.find_keyed_job(connection, dedupe_key)
                    if entry is None:
                        if check is not None:
                            check(connection)
                        entry = self._insert(connection, values, sorted(set(depends_on)))
            except IntegrityError:  # the key was taken since we looked: by now that job can be seen
                continue
            self.wakeup.notify()
            return entry
        raise AvailabilityError("jobs for the same work come and go too fast", retry_after_seconds=1.0)

    def get(self, job_id: int) -> JobEntry:
        """Returns one job.

        Raises:
            NotFoundError: there is none of that id.
        """
        with self.database.read() as connection:
            return _require(connection, job_id)

    def find(self, dedupe_key: str) -> JobEntry | None:
        """Returns the job that is the answer to requests of a key; None when the next makes one, or without a key."""
        with self.database.read() as connection:
            return queries.find_keyed_job(connection, dedupe_key)

    def list(
        self,
        *,
        status: str | JobStatus = "",
        kind: str = "",
        after: int = 0,
        limit: int = 100,
        owner: str | None = None,
    ) -> builtins.list[JobEntry]:
        """Lists jobs, newest first.

        Args:
            status: only those; empty for all.
            kind: only those; empty for all.
            after: the id that the page before ended with; 0 for the first page.
            limit: how many at most.
            owner: only those of this caller; None for all.

        Raises:
            InvalidInputError: there is no such status or kind, or the limit is negative.
        """
        if kind:
            check_kind(kind)
        checked_limit(limit)
        wanted = _status(status) if status else None
        with self.database.read() as connection:
            return queries.find_jobs(
                connection, status=wanted, kind=kind, after=min(after, MAX_INTEGER), limit=limit, owner=owner
            )

    def cancel(self, job_id: int) -> JobEntry:
        """Ends a job and those that it values for; a finished one stays what it is.

        What has not begun is cancelled at once, what runs as soon as its handler looks; jobs that need it fail.

        Raises:
            NotFoundError: there is none of that id.
        """
        with self.database.write() as connection:
            _require(connection, job_id)
            family = lock_family(connection, job_id)
            moment = self.clock(connection)
            mine = job.c.id.in_(family)
            unstarted = update(job).where(mine, job.c.status.in_((JobStatus.WAITING, JobStatus.QUEUED)))
            values = {"status": JobStatus.CANCELLED, "cancel_requested_at": moment, "finished_at": moment}
            ended = connection.execute(unstarted.values(values).returning(job.c.id)).scalars().all()
            running = update(job).where(mine, job.c.status == JobStatus.RUNNING, job.c.cancel_requested_at.is_(None))
            connection.execute(running.values(cancel_requested_at=moment))
            resolve_dependents(connection, ended, self.clock)
            notify_runners(connection)
            entry = _require(connection, job_id)
        self.wakeup.notify()
        return entry

    def retry(self, job_id: int, check: Callable[[Connection, JobEntry], object] | None = None) -> JobEntry:
        """Brings a failed or cancelled job back, with all its attempts.

        Args:
            job_id: of it.
            check: called in the transaction with the job as it ended; what it raises is raised, and nothing changes.

        Raises:
            NotFoundError: there is none of that id.
            PreconditionError: it has not ended, has succeeded, or needs a job that did not succeed.
            AlreadyExistsError: another job does the same work by now.
        """
        try:
            with self.database.write() as connection:
                lock(connection, [*_require(connection, job_id).depends_on, job_id])
                entry = _require(connection, job_id)
                if not entry.status.is_final or entry.status is JobStatus.SUCCEEDED:
                    raise PreconditionError(
                        f"job {job_id} is {entry.status}: only failed and cancelled jobs are tried again",
                        reason="job_not_failed",
                    )
                if check is not None:
                    check(connection, entry)
                moment = self.clock(connection)
                fresh = {**_FRESH, "status": _first_status(connection, entry.depends_on), "run_at": moment}
                connection.execute(update(job).where(job.c.id == job_id).values(fresh))
                notify_runners(connection)
                entry = _require(connection, job_id)
        except IntegrityError:
            raise AlreadyExistsError(
                f"another job does the work of job {job_id} already", reason="job_exists"
            ) from None
        self.wakeup.notify()
        return entry

    def _insert(self, connection: Connection, values: Mapping[str, Any], depends_on: Sequence[int]) -> JobEntry:
        parent_id = values["parent_id"]
        needed = {*depends_on, *([] if parent_id is None else [parent_id])}
        for missing in needed - set(lock(connection, needed)):
            raise job_not_found(missing)
        if parent_id is not None:
            _refuse_cancelled(connection, parent_id)
        moment = self.clock(connection)
        status = _first_status(connection, depends_on)
        fresh = {**_FRESH, **values, "status": status, "lease_token": 0, "created_at": moment, "run_at": moment}
        entry = queries.entry_of(connection.execute(_INSERT, fresh).one())
        notify_runners(connection)
        if not depends_on:
            return entry
        connection.execute(
            insert(job_dependency), [{"job_id": entry.id, "depends_on_id": needed_id} for needed_id in depends_on]
        )
        return replace(entry, depends_on=tuple(depends_on))


def _first_status(connection: Connection, depends_on: Sequence[int]) -> JobStatus:
    """Returns the status in which a job begins that needs these, which the transaction has locked."""
    if not depends_on:
        return JobStatus.QUEUED
    rows = connection.execute(select(job.c.id, job.c.status).where(job.c.id.in_(depends_on)).order_by(job.c.id))
    statuses = {row.id: JobStatus(row.status) for row in rows}
    for needed_id, status in statuses.items():
        if status in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise PreconditionError(
                f"job {needed_id}, which must succeed first, is {status}: retry that one", reason="dependency_failed"
            )
    done = all(status is JobStatus.SUCCEEDED for status in statuses.values())
    return JobStatus.QUEUED if done else JobStatus.WAITING


def _refuse_cancelled(connection: Connection, parent_id: int) -> None:
    requested = select(job.c.cancel_requested_at).where(job.c.id == parent_id)
    if connection.execute(requested).scalar_one() is not None:
        raise PreconditionError(f"job {parent_id}, which asks for this one, is cancelled", reason="job_cancelled")


def _require(connection: Connection, job_id: int) -> JobEntry:
    entry = queries.find_job(connection, job_id) if abs(job_id) <= MAX_INTEGER else None
    if entry is None:
        raise job_not_found(job_id)
    return entry


def job_not_found(job_id: int) -> NotFoundError:
    """For an id that no job has, or that the caller may not know of."""
    return NotFoundError(f"job {job_id} does not exist", reason="job_not_found", field="job_id")


def _status(text: str) -> JobStatus:
    try:
        return JobStatus(text)
    except ValueError:
        known = ", ".join(f"`{status}`" for status in JobStatus)
        raise InvalidInputError.at("status", "{field} must be one of {known}", known=known) from None
