"""A runner's side of the table: claim a job, keep it, end it. Every write proves that the job is still the writer's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from sqlalchemy import Connection, select, update

from panope_backends.retry import RetryPolicy
from panope_registry.jobs import queries
from panope_registry.jobs.clock import Clock, database_clock
from panope_registry.jobs.dependencies import resolve_dependents
from panope_registry.jobs.failure import RUNNER_LOST, Failure
from panope_registry.jobs.notifications import notify_runners
from panope_registry.jobs.statements import HELD, NO_LEASE, Statements
from panope_registry.jobs.types import JobEntry, JobProgress, JobStatus
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job


class RenewalResult(Enum):
    """The results of renewing a lease."""

    KEPT = "kept"
    CANCELLED = "cancelled"
    """Kept, and somebody has cancelled the job."""
    LOST = "lost"
    """The job is another's, or nobody's: whatever is done for it from now on counts for nothing."""


@dataclass(frozen=True)
class Claim:
    """A job that a runner has taken.

    Attributes:
        job: as it was when it was taken.
        token: fences it: each claim of a job has a higher one.
    """

    job: JobEntry
    token: int


class Claims:
    """The claims of one runner.

    Methods that end a claim return False, and change nothing, when the lease was lost before. Every method raises
    AvailabilityError when the database does not answer; then nothing was changed, or a commit's answer was lost.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        owner: str,
        lease_seconds: float,
        retry_policy: RetryPolicy,
        store: str | None = None,
        only: Collection[int] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._lease = timedelta(seconds=lease_seconds)
        self._retry_policy = retry_policy
        self._store = store
        # On SQLite looking first leaves the one writer's lock to those who have something to write.
        self._looks_first = database.engine.dialect.name == "sqlite"
        server_time = clock is database_clock and not self._looks_first
        self._statements = Statements(self._lease, server_time=server_time, only=only)
        self._server_time = server_time

    def claim(self, kinds: Collection[str]) -> Claim | None:
        """Takes the job that is due first, of one of these kinds; None when none is due."""
        if self._looks_first and not self.is_due(kinds):
            return None
        with self._database.write() as connection:
            times = self._times(connection)
            wanted = {"kinds": list(kinds), "for_store": self._store, "runner": self._owner}
            row = connection.execute(self._statements.claim, wanted | times).one_or_none()
        return None if row is None else Claim(queries.entry_of(row), row.lease_token)

    def is_due(self, kinds: Collection[str]) -> bool:
        """Returns whether `claim` would find a job; asks without a lock."""
        with self._database.read() as connection:
            wanted = {"kinds": list(kinds), "for_store": self._store}
            is_due = connection.execute(self._statements.is_due, wanted | self._times(connection, lease=False))
            return bool(is_due.scalar_one())

    def renew(self, claim: Claim, progress: JobProgress) -> RenewalResult:
        """Extends the lease and records the job's progress."""
        with self._database.write() as connection:
            kept = connection.execute(
                update(job)
                .where(HELD)
                .values(
                    lease_until=self._clock(connection) + self._lease,
                    **_progress_columns(progress),
                )
                .returning(job.c.cancel_requested_at),
                _held(claim),
            ).one_or_none()
        if kept is None:
            return RenewalResult.LOST
        return RenewalResult.KEPT if kept.cancel_requested_at is None else RenewalResult.CANCELLED

    def cancelled(self, claims: Collection[Claim]) -> list[Claim]:
        """Returns the claims whose jobs somebody has cancelled; asks without a lock."""
        wanted = select(job.c.id, job.c.lease_token).where(job.c.id.in_([claim.job.id for claim in claims]))
        with self._database.read() as connection:
            rows = connection.execute(wanted.where(job.c.cancel_requested_at.is_not(None)))
            cancelled = {(row.id, row.lease_token) for row in rows}
        return [claim for claim in claims if (claim.job.id, claim.token) in cancelled]

    def succeed(self, claim: Claim, result: Mapping[str, Any], progress: JobProgress) -> bool:
        """Ends the job with what its handler returned."""
        error = {"error_reason": "", "error_message": "", "retryable": False}
        return self._end(claim, JobStatus.SUCCEEDED, {"result": dict(result), **error, **_progress_columns(progress)})

    def fail(self, claim: Claim, failure: Failure) -> bool:
        """Ends the attempt: the job is tried again later if time may help and attempts are left."""
        with self._database.write() as connection:
            return self._fail(connection, claim, failure)

    def end_cancelled(self, claim: Claim) -> bool:
        """Ends the job as its user wanted."""
        return self._end(claim, JobStatus.CANCELLED, {})

    def give_back(self, claim: Claim, wait_seconds: float = 0.0) -> bool:
        """Lets another runner go on with the job, at once or after a while; this attempt does not count."""
        with self._database.write() as connection:
            if _cancel_requested(connection, claim):
                return self._finish(connection, claim, JobStatus.CANCELLED, {})
            notify_runners(connection)
            run_at = self._clock(connection) + timedelta(seconds=wait_seconds)
            values = {"attempt": job.c.attempt - 1, "run_at": run_at}
            return _release(connection, claim, {"status": JobStatus.QUEUED, **values})

    def reap(self) -> int:
        """Takes jobs from runners that have not renewed their leases; returns how many."""
        with self._database.read() as connection:
            late = job.c.lease_until < self._clock(connection)
            overdue = connection.execute(select(job.c.id).where(job.c.status == JobStatus.RUNNING, late)).first()
        count = 0
        if overdue is not None:
            while self._reap_one():
                count += 1
        return count

    def _reap_one(self) -> bool:
        """Reaps one job in a transaction of its own: locks of several would not be taken in order of their ids."""
        with self._database.write() as connection:
            row = connection.execute(
                select(*queries.JOB_COLUMNS)
                .where(job.c.status == JobStatus.RUNNING, job.c.lease_until < self._clock(connection))
                .order_by(job.c.lease_until, job.c.id)
                .limit(1)
                .with_for_update(skip_locked=True, of=job)
            ).one_or_none()
            if row is None:
                return False
            return self._fail(connection, Claim(queries.entry_of(row), row.lease_token), RUNNER_LOST)

    def _fail(self, connection: Connection, claim: Claim, failure: Failure) -> bool:
        if _cancel_requested(connection, claim):
            return self._finish(connection, claim, JobStatus.CANCELLED, {})
        error = {
            "error_reason": failure.reason,
            "error_message": failure.message,
            "retryable": failure.retryable,
        }
        attempt = claim.job.attempt
        if not failure.retryable or attempt >= claim.job.max_attempts:
            return self._finish(connection, claim, JobStatus.FAILED, error)
        wait = timedelta(seconds=self._retry_policy.delay_seconds(attempt, failure.retry_after_seconds))
        values = {"status": JobStatus.QUEUED, "run_at": self._clock(connection) + wait, **error}
        return _release(connection, claim, values)

    def _end(self, claim: Claim, status: JobStatus, values: Mapping[str, Any]) -> bool:
        with self._database.write() as connection:
            return self._finish(connection, claim, status, values)

    def _finish(self, connection: Connection, claim: Claim, status: JobStatus, values: Mapping[str, Any]) -> bool:
        values = {**_held(claim), "status": status, **values, **self._times(connection, lease=False)}
        if connection.execute(self._statements.end, values).rowcount == 0:
            return False
        resolve_dependents(connection, [claim.job.id], self._clock)
        return True

    def _times(self, connection: Connection, *, lease: bool = True) -> dict[str, object]:
        """Returns the times that the statements take as parameters."""
        if self._server_time:
            return {}
        moment = self._clock(connection)
        return {"moment": moment, "until": moment + self._lease} if lease else {"moment": moment}


def _progress_columns(progress: JobProgress) -> Mapping[str, Any]:
    """Returns the columns of a progress."""
    return {
        "progress_phase": progress.phase,
        "progress_done": progress.done,
        "progress_total": progress.total,
        "progress_unit": progress.unit,
        "progress_parts": [asdict(part) for part in progress.parts] or None,
    }


def _release(connection: Connection, claim: Claim, values: Mapping[str, Any]) -> bool:
    changed = connection.execute(update(job).where(HELD).values({**values, **NO_LEASE}), _held(claim))
    return changed.rowcount == 1


def _cancel_requested(connection: Connection, claim: Claim) -> bool:
    """Locks the job too, so that a cancellation comes before this transaction or after it."""
    requested = select(job.c.cancel_requested_at).where(HELD).with_for_update()
    return connection.execute(requested, _held(claim)).scalar_one_or_none() is not None


def _held(claim: Claim) -> dict[str, int]:
    return {"held_id": claim.job.id, "held_token": claim.token}
