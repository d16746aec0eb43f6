"""Jobs as their callers may see, end and repeat them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from panope_backends.errors import PermissionDeniedError
from panope_registry.access.scopes import READ, WRITE
from panope_registry.jobs import JobEntry, JobStatus
from panope_registry.jobs.queue import job_not_found
from panope_server.access.principal import current_principal
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.async_registry.jobs import AsyncJobs

JOBS = "jobs"
PAGE_SIZE = 500


class AuthorizedJobs:
    """The jobs that the caller has asked for as its own, and with a scope of jobs those of models that it sees.

    Jobs of no one model are for those who see all, and jobs that are another caller's own for administrators.
    """

    def __init__(self, jobs: AsyncJobs, audit: AuditTrail) -> None:
        self._jobs = jobs
        self._audit = audit

    async def list(
        self, *, status: JobStatus | None = None, kind: str = "", after: int = 0, limit: int = 100
    ) -> Sequence[JobEntry]:
        """Jobs, newest first, those older than job `after`."""
        principal = current_principal()
        if principal.is_admin:
            return await self._jobs.list(status=status, kind=kind, after=after, limit=limit)
        if not principal.may_use(JOBS, READ):
            owner = principal.flow
            if not owner:
                return ()
            return await self._jobs.list(status=status, kind=kind, after=after, limit=limit, owner=owner)
        found: list[JobEntry] = []
        while len(found) < limit:
            page = await self._jobs.list(status=status, kind=kind, after=after, limit=PAGE_SIZE)
            found += (job for job in page if _may(job, READ))
            if len(page) < PAGE_SIZE:
                break
            after = page[-1].id
        return found[:limit]

    async def get(self, job_id: int) -> JobEntry:
        """One job; NotFoundError when there is none of that id for the caller."""
        job = await self._jobs.get(job_id)
        if not _may(job, READ):
            raise job_not_found(job_id)
        return job

    async def cancel(self, job_id: int) -> JobEntry:
        """Asks a job to end; one that has ended stays what it is."""
        with self._audit.recording("jobs.cancel", str(job_id)):
            await self._check(job_id, WRITE)
            return await self._jobs.cancel(job_id)

    async def retry(self, job_id: int) -> JobEntry:
        """Queues a failed or cancelled job again; PreconditionError for another."""
        with self._audit.recording("jobs.retry", str(job_id)):
            await self._check(job_id, WRITE)
            return await self._jobs.retry(job_id)

    async def watch(self, job_id: int) -> AsyncIterator[JobEntry]:
        """The job as it is, then whenever it changes, up to its end."""
        await self._check(job_id, READ)
        async for job in self._jobs.watch(job_id):
            yield job

    async def _check(self, job_id: int, action: str) -> None:
        if current_principal().is_admin:
            return
        job = await self._jobs.get(job_id)
        if not (_may(job, READ) or _may(job, action)):
            raise job_not_found(job_id)
        if not _may(job, action):
            raise PermissionDeniedError(
                f"the key has no scope for this: it needs `{JOBS}:{action}`", reason="scope_missing"
            )


def _may(job: JobEntry, action: str) -> bool:
    principal = current_principal()
    if job.owner is not None:
        return principal.is_admin or (bool(principal.flow) and job.owner == principal.flow)
    model = job.payload.get("model")
    is_seen = principal.models.are_all or (isinstance(model, str) and principal.sees(model))
    return is_seen and principal.may_use(JOBS, action)
