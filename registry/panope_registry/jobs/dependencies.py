"""The jobs that depend on one another: what waits for a job, and what a job has asked for.

Rows are locked by ascending id, everywhere, so that two transactions on PostgreSQL never wait for each other. On SQLite
the writer is alone anyway, and the locking clauses compile to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Select, bindparam, exists, select, update

from panope_registry.jobs.clock import Clock
from panope_registry.jobs.notifications import notify_runners
from panope_registry.jobs.types import JobStatus
from panope_registry.tables.job_tables import job, job_dependency

_needed = job.alias("needed")


def lock(connection: Connection, job_ids: Collection[int]) -> list[int]:
    """Locks these jobs until the transaction ends; returns the ids that exist."""
    wanted = select(job.c.id).where(job.c.id.in_(job_ids)).order_by(job.c.id).with_for_update()
    return list(connection.execute(wanted).scalars()) if job_ids else []


def lock_family(connection: Connection, job_id: int) -> list[int]:
    """Locks a job, those that it asked for, those that they asked for, and so on; returns their ids."""
    locked: list[int] = []
    while True:
        family = _family(connection, job_id)
        if family == locked:  # none was added while we waited for a lock
            return family
        locked = lock(connection, family)


def resolve_dependents(connection: Connection, finished: Sequence[int], clock: Clock) -> None:
    """Moves on what waits for jobs that have just reached a final status: to the queue, or to failure."""
    affected = lock(connection, _dependents(connection, finished))
    if not affected:
        return
    moment = clock(connection)
    waits = job.c.id.in_(affected) & (job.c.status == JobStatus.WAITING)
    needs = (
        select(job_dependency)
        .join(_needed, _needed.c.id == job_dependency.c.depends_on_id)
        .where(job_dependency.c.job_id == job.c.id)
    )
    hopeless = exists(needs.where(_needed.c.status.in_((JobStatus.FAILED, JobStatus.CANCELLED))))
    failed = update(job).where(waits, hopeless)
    failed = failed.values(status=JobStatus.FAILED, finished_at=moment, retryable=False, **_DEPENDENCY_FAILED)
    while connection.execute(failed).rowcount:  # each round reaches those that need the ones before
        pass
    unfinished = exists(needs.where(_needed.c.status != JobStatus.SUCCEEDED))
    if connection.execute(
        update(job).where(waits, ~unfinished).values(status=JobStatus.QUEUED, run_at=moment)
    ).rowcount:
        notify_runners(connection)


def _find_dependents() -> Select[tuple[int]]:
    wanted = job_dependency.c.depends_on_id.in_(bindparam("needed", expanding=True))
    reached = select(job_dependency.c.job_id).where(wanted).cte("reached", recursive=True)
    reached = reached.union(
        select(job_dependency.c.job_id).join(reached, job_dependency.c.depends_on_id == reached.c.job_id)
    )
    return select(reached.c.job_id)


# Sent whenever a job ends, so it is made once.
_DEPENDENTS = _find_dependents()

_DEPENDENCY_FAILED = {
    "error_reason": "dependency_failed",
    "error_message": "a job that this one needs did not succeed",
}


def _dependents(connection: Connection, needed: Sequence[int]) -> list[int]:
    """Returns the jobs that need these, directly or not."""
    if not needed:
        return []
    return [row.job_id for row in connection.execute(_DEPENDENTS, {"needed": list(needed)})]


def _family(connection: Connection, job_id: int) -> list[int]:
    family = select(job.c.id).where(job.c.id == job_id).cte("family", recursive=True)
    family = family.union(select(job.c.id).join(family, job.c.parent_id == family.c.id))
    return list(connection.execute(select(family.c.id).order_by(family.c.id)).scalars())
