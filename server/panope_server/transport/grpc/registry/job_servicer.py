"""JobService: translates and delegates."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from panope.v1 import job_service_pb2 as pb
from panope.v1 import job_service_pb2_grpc as pb_grpc
from panope_registry.jobs import JobStatus
from panope_server.transport.grpc.fields import known
from panope_server.transport.grpc.registry.job_messages import STATUSES, id_of, job_message
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Jobs
from panope_server.transport.paging import after_of, page_of, page_size_of, wrong_token
from panope_server.transport.services import Services

MAX_DIGITS = 18
"""Of a job's id; those of no database have more."""

_BY_NUMBER = {int(number): status for status, number in STATUSES.items()}


class JobServicer(pb_grpc.JobServiceServicer):
    """Serves panope.v1.JobService."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.jobs)
        pb_grpc.add_JobServiceServicer_to_server(servicer, server)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Lists jobs, newest first."""
        size = page_size_of(request.page_size)
        found = await self._jobs.list(
            status=_status(request.status), kind=request.kind, after=_after(request.page_token), limit=size + 1
        )
        page, token = page_of(found, size, lambda job: str(job.id))
        return pb.ListJobsResponse(jobs=[job_message(job) for job in page], next_page_token=token)

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        """Tells about one job."""
        return pb.GetJobResponse(job=job_message(await self._jobs.get(id_of(request.id))))

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        """Asks a job to end."""
        return pb.CancelJobResponse(job=job_message(await self._jobs.cancel(id_of(request.id))))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        """Queues a job again."""
        return pb.RetryJobResponse(job=job_message(await self._jobs.retry(id_of(request.id))))

    async def WatchJob(self, request: pb.WatchJobRequest, context: Context) -> AsyncIterator[pb.WatchJobResponse]:
        """Sends a job whenever it changes."""
        async for job in self._jobs.watch(id_of(request.id)):
            yield pb.WatchJobResponse(job=job_message(job))


def _status(number: int) -> JobStatus | None:
    if number == pb.Job.STATUS_UNSPECIFIED:
        return None
    return known(_BY_NUMBER, number, "status")


def _after(token: str) -> int:
    last = after_of(token)
    # isdecimal() alone would take digits of other scripts, and int() fails at thousands of them.
    if last and not (last.isascii() and last.isdecimal() and len(last) <= MAX_DIGITS):
        raise wrong_token()
    return int(last or 0)
