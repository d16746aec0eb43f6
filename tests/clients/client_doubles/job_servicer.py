"""Jobs that do nothing."""

# ruff: noqa: N802 -- gRPC names the methods

from __future__ import annotations

from client_doubles.calls import Calls, Context
from panope.v1 import job_service_pb2 as job_pb
from panope.v1 import job_service_pb2_grpc as job_grpc


class JobServicer(Calls, job_grpc.JobServiceServicer):
    """Any number is a job, which runs until it was looked at `polls_until_failed` times."""

    async def GetJob(self, request: job_pb.GetJobRequest, context: Context) -> job_pb.GetJobResponse:
        await self.enter(request, context)
        job = job_pb.Job(id=request.id, status=job_pb.Job.STATUS_RUNNING)
        if len(self.requests) >= self.polls_until_failed:
            job.status = job_pb.Job.STATUS_FAILED
            job.finish_time.GetCurrentTime()
        return job_pb.GetJobResponse(job=job)

    async def CancelJob(self, request: job_pb.CancelJobRequest, context: Context) -> job_pb.CancelJobResponse:
        await self.enter(request, context)
        return job_pb.CancelJobResponse(job=job_pb.Job(id=request.id, status=job_pb.Job.STATUS_CANCELLED))

    async def RetryJob(self, request: job_pb.RetryJobRequest, context: Context) -> job_pb.RetryJobResponse:
        await self.enter(request, context)
        return job_pb.RetryJobResponse(job=job_pb.Job(id=request.id, status=job_pb.Job.STATUS_QUEUED))
