"""Jobs as their callers may see, end and repeat them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from panope_registry.jobs import JobEntry, JobStatus
from panope_registry.jobs.queue import job_not_found
from panope_server.access.principal import current_principal
from panope_server.runtime.async_registry.audit import AuditTrail
from panope_server.runtime.async_registry.jobs import AsyncJobs

PAGE_SIZE = 500


class AuthorizedJobs:
    """The jobs of models that the caller sees; jobs of no one model are for those who see all."""

    def __init__(self, jobs: AsyncJobs, audit: AuditTrail) -> None:
        self._jobs = jobs
        self._audit = audit

    async def list(
        self, *, status: JobStatus | None = None, kind: str = "", after: int = 0, limit: int = 100
    ) -> Sequence[JobEntry]:
        """Jobs, newest first, those older than job `after`."""
        if current_principal().models.are_all:
            return await self._jobs.list(status=status, kind=kind, after=after, limit=limit)
        found: list[JobEntry] = []
        while len(found) < limit:
            page = await self._jobs.list(status=status, kind=kind, after=after, limit=PAGE_SIZE)
            found += filter(_is_seen, page)
            if len(page) < PAGE_SIZE:
                break
            after = page[-1].id
        return found[:limit]

    async def get(self, job_id: int) -> JobEntry:
        """One job; NotFoundError when there is none of that id for the caller."""
        job = await self._jobs.get(job_id)
        if not _is_seen(job):
            raise job_not_found(job_id)
        return job

    async def cancel(self, job_id: int) -> JobEntry:
        """Asks a job to end; one that has ended stays what it is."""
        with self._audit.recording("jobs.cancel", str(job_id)):
            await self._check(job_id)
            return await self._jobs.cancel(job_id)

    async def retry(self, job_id: int) -> JobEntry:
        """Queues a failed or cancelled job again; PreconditionError for another."""
        with self._audit.recording("jobs.retry", str(job_id)):
            await self._check(job_id)
            return await self._jobs.retry(job_id)

    async def watch(self, job_id: int) -> AsyncIterator[JobEntry]:
        """The job as it is, then whenever it changes, up to its end."""
        await self._check(job_id)
        async for job in self._jobs.watch(job_id):
            yield job

    async def _check(self, job_id: int) -> None:
        if not current_principal().models.are_all:
            await self.get(job_id)


def _is_seen(job: JobEntry) -> bool:
    principal = current_principal()
    model = job.payload.get("model")
    return principal.models.are_all or (isinstance(model, str) and principal.sees(model))
