"""Conversions that loads need: each is a build job, which a load waits for as it waits for downloads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from panope_backends.errors import (
    BY_REASON,
    AvailabilityError,
    CapacityError,
    PanopeError,
    PreconditionError,
)
from panope_registry.job_handlers.requests import BuildRequest, enqueue_build
from panope_registry.jobs import JobEntry, JobStatus
from panope_registry.jobs.failure import RUNNER_LOST
from panope_server.runtime.async_registry.jobs import AsyncJobs

_log = structlog.get_logger("panope.models")

#: Loads have somebody waiting, so their builds go before those that nobody waits for.
LOAD_PRIORITY = 5
#: A server without a job worker waits so long for another one to take the job.
UNCLAIMED_SECONDS = 15.0


class BuildJobs:
    """Asks for build jobs and waits for them. Two loads that need the same variant wait for the same job.

    Args:
        jobs: where they are.
        store: the id of the store that variants are made in.
        has_worker: whether this server runs jobs; one that does not relies on a `panope job-worker`.
        on_wait: told the model whose load begins to wait for a job, and what to say of it.
    """

    def __init__(
        self,
        jobs: AsyncJobs,
        store: str,
        *,
        has_worker: bool,
        on_wait: Callable[[str, str], None] = lambda _model, _reason: None,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._has_worker = has_worker
        self._on_wait = on_wait

    async def run(self, request: BuildRequest) -> JobEntry:
        """Returns the job of a request once it has succeeded.

        A job that loses its worker is taken up by the next one, and waited for. An attempt that fails otherwise ends
        the waiting, because another candidate may load now; the job is tried again all the same while time may help.

        Raises:
            PanopeError: what the job failed with, in its words.
            AvailabilityError: somebody cancelled it.
            PreconditionError: nobody runs jobs (`no_job_worker`).
            ShuttingDownError: the server stops first.
        """
        job = await self._jobs.enqueue(
            partial(enqueue_build, priority=LOAD_PRIORITY), request, "load", store=self._store
        )
        _log.info("conversion_awaited", model=request.model, job=job.id, format=request.format)
        made = f"{request.format} {request.precision}".strip()
        self._on_wait(request.model, f"job {job.id} converts it to {made}, once, which can take minutes")
        if not self._has_worker:
            await self._refuse_unclaimed(job)
        failed_before = job.attempt if job.status is not JobStatus.RUNNING else job.attempt - 1
        async for seen in self._jobs.watch(job.id):
            job = seen
            if job.status is JobStatus.QUEUED and job.attempt > failed_before and _has_failed(job):
                break
        if job.status is JobStatus.SUCCEEDED:
            return job
        raise job_error(job)

    async def _refuse_unclaimed(self, job: JobEntry) -> None:
        """PreconditionError when no runner takes the job within a while."""
        try:
            async with asyncio.timeout(UNCLAIMED_SECONDS):
                async for seen in self._jobs.watch(job.id):
                    if seen.status not in (JobStatus.QUEUED, JobStatus.WAITING):
                        return
        except TimeoutError:
            raise PreconditionError(
                f"the model must be converted, and no job worker takes job {job.id}: `jobs.concurrency` is 0 on this "
                "server; start `panope job-worker`, or set it to 1",
                reason="no_job_worker",
            ) from None


def _has_failed(job: JobEntry) -> bool:
    return job.error_reason not in ("", RUNNER_LOST.reason)


def job_error(job: JobEntry) -> PanopeError:
    """Returns what a job ended with as the error that its handler raised."""
    if job.status is JobStatus.CANCELLED:
        return AvailabilityError(
            f"job {job.id}, which converts the model, was cancelled", reason="conversion_cancelled"
        )
    kind = BY_REASON.get(job.error_reason) or (AvailabilityError if job.retryable else PreconditionError)
    if job.error_reason in ("disk_full", "store_full"):
        kind = CapacityError
    return kind(job.error_message, reason=job.error_reason)
