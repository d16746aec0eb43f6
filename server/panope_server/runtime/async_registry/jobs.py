"""The registry's jobs, as the server's event loop asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, TypeVar

from panope_backends.errors import ShuttingDownError
from panope_registry.job_files import JobFiles
from panope_registry.jobs import JobEntry, Jobs, JobStatus
from panope_server.runtime.async_registry.threads import call_registry

#: How soon a watcher sees a change; workers write progress once a second.
WATCH_SECONDS = 0.5


R = TypeVar("R", contravariant=True)


class Enqueue(Protocol[R]):
    """Queues the job that a request asks for, such as `enqueue_download`."""

    def __call__(self, jobs: Jobs, request: R, requested_by: str, *, store: str | None) -> JobEntry:
        """Returns the job; an open one for the same request is that one."""


class AsyncJobs:
    """Jobs without blocking: every question to the database runs in a thread.

    Args:
        jobs: in the database.
        watch_seconds: how soon a watcher sees a change.
        files: whose limits of open jobs hold for those that are tried again; None for no limits.
    """

    def __init__(self, jobs: Jobs, watch_seconds: float = WATCH_SECONDS, files: JobFiles | None = None) -> None:
        self._jobs = jobs
        self._retry = (files or jobs).retry
        self._watch_seconds = watch_seconds
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Ends all watching, so that no watcher holds up the end of the server."""
        self._closing.set()

    async def enqueue(self, enqueue: Enqueue[R], request: R, requested_by: str, *, store: str | None) -> JobEntry:
        """Queues what a request asks for; errors as of the function that does."""
        return await call_registry(lambda: enqueue(self._jobs, request, requested_by, store=store))

    async def list(
        self,
        *,
        status: JobStatus | None = None,
        kind: str = "",
        after: int = 0,
        limit: int = 100,
        owner: str | None = None,
    ) -> Sequence[JobEntry]:
        """Jobs, newest first, those older than job `after`; only those of one caller if it is named."""
        return await call_registry(
            lambda: self._jobs.list(status=status or "", kind=kind, after=after, limit=limit, owner=owner)
        )

    async def get(self, job_id: int) -> JobEntry:
        """One job; NotFoundError when there is none of that id."""
        return await call_registry(self._jobs.get, job_id)

    async def cancel(self, job_id: int) -> JobEntry:
        """Asks a job to end; one that has ended stays what it is."""
        return await call_registry(self._jobs.cancel, job_id)

    async def retry(self, job_id: int) -> JobEntry:
        """Queues a failed or cancelled job again; PreconditionError for another, errors as of `JobFiles.retry`."""
        return await call_registry(self._retry, job_id)

    async def watch(self, job_id: int) -> AsyncIterator[JobEntry]:
        """The job as it is, then whenever it changes, up to its end.

        Raises:
            NotFoundError: there is no such job.
            ShuttingDownError: the server stops before the job does.
        """
        seen: JobEntry | None = None
        while seen is None or not seen.status.is_final:
            job = await self.get(job_id)
            if job != seen:
                seen = job
                yield job
            elif await self._closes_within(self._watch_seconds):
                raise ShuttingDownError("the server is stopping", retry_after_seconds=1.0)

    async def _closes_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True
