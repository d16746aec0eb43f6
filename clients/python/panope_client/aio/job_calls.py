"""Calls on jobs, the registry's long work."""

# ruff: noqa: ASYNC109 -- `timeout` is the call's deadline, which the server must know; cancelling here would not tell it

from __future__ import annotations

import math

from panope.v1 import job_service_pb2 as job_pb
from panope.v1.job_service_pb2 import Job
from panope_client.aio.connection import AsyncConnection
from panope_client.arguments import check_seconds, request_of
from panope_client.status import not_ended

#: Between two looks at a job; its progress changes once a second.
JOB_PAUSE_SECONDS = 0.5


class AsyncJobCalls(AsyncConnection):
    """The calls of `AsyncClient` on jobs."""

    async def job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """Returns a job with its status and progress."""
        response = await self._call(self._jobs.GetJob, request_of(job_pb.GetJobRequest, id=job_id), timeout)
        return response.job

    async def wait_job(self, job_id: int, timeout: float = math.inf) -> Job:
        """Waits until a job has ended, well or badly, and returns it: see its `status` and `error`.

        Raises:
            DeadlineError: it does not end within `timeout` seconds; it goes on.
        """
        check_seconds("timeout", timeout)
        clock = self._retries.clock
        end = clock() + timeout
        while not (job := await self.job(job_id)).HasField("finish_time"):
            if clock() >= end:
                raise not_ended(job_id, timeout)
            await self._sleep(min(JOB_PAUSE_SECONDS, end - clock()))
        return job

    async def cancel_job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """Asks a job to end; what it has downloaded is kept."""
        response = await self._call(self._jobs.CancelJob, request_of(job_pb.CancelJobRequest, id=job_id), timeout)
        return response.job

    async def retry_job(self, job_id: int, *, timeout: float | None = None) -> Job:
        """Queues a failed or cancelled job again."""
        response = await self._call(self._jobs.RetryJob, request_of(job_pb.RetryJobRequest, id=job_id), timeout)
        return response.job
