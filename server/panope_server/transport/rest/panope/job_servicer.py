"""Serves jobs, as JSON and as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from google.api.httpbody_pb2 import HttpBody

from panope.rest.v1 import job_service_pb2_grpc as pb_grpc
from panope.rest.v1.path_pb2 import JobPath, JobPathWithBody, NoPath
from panope_backends.errors import InvalidInputError
from panope_registry.jobs import JobStatus
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interfaces import Jobs
from panope_server.transport.job_json import JobsJson, job_id_of, job_json
from panope_server.transport.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from panope_server.transport.rest.json.events import EVENTS, event, until_done
from panope_server.transport.rest.json.query import number_of, query_of
from panope_server.transport.rest.json.requests import refuse_content
from panope_server.transport.rest.json.responses import json_response
from panope_server.transport.services import Services


class JobRestServicer(pb_grpc.JobServiceServicer):
    """Serves panope.rest.v1.JobService."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    @classmethod
    def add_to(cls, server: grpc.aio.Server, services: Services) -> None:
        """Adds the service to a server."""
        servicer = cls(services.jobs)
        pb_grpc.add_JobServiceServicer_to_server(servicer, server)

    async def ListJobs(self, request: NoPath, context: Context) -> HttpBody:
        """Lists jobs, newest first."""
        query = query_of(context, ("status", "kind", "limit", "after"))
        limit = number_of(query, "limit", default=DEFAULT_PAGE_SIZE, least=1, most=MAX_PAGE_SIZE)
        found = await self._jobs.list(
            status=_status(query.get("status", "")),
            kind=query.get("kind", ""),
            after=number_of(query, "after", default=0),
            limit=limit + 1,
        )
        return json_response(JobsJson(jobs=[job_json(job) for job in found[:limit]], has_more=len(found) > limit))

    async def GetJob(self, request: JobPath, context: Context) -> HttpBody:
        """Tells about one job."""
        query_of(context)
        return json_response(job_json(await self._jobs.get(job_id_of(request.job))))

    async def CancelJob(self, request: JobPathWithBody, context: Context) -> HttpBody:
        """Asks a job to end."""
        query_of(context)
        refuse_content(request.body)
        return json_response(job_json(await self._jobs.cancel(job_id_of(request.job))))

    async def RetryJob(self, request: JobPathWithBody, context: Context) -> HttpBody:
        """Queues a job again."""
        query_of(context)
        refuse_content(request.body)
        return json_response(job_json(await self._jobs.retry(job_id_of(request.job))))

    async def WatchJob(self, request: JobPath, context: Context) -> AsyncIterator[HttpBody]:
        """Sends a job whenever it changes."""
        query_of(context)
        events = (event(job_json(job)) async for job in self._jobs.watch(job_id_of(request.job)))
        async for data in until_done(events):
            yield HttpBody(content_type=EVENTS, data=data)


def _status(given: str) -> JobStatus | None:
    if not given:
        return None
    try:
        return JobStatus(given)
    except ValueError:
        known = ", ".join(f"`{status.value}`" for status in JobStatus)
        raise InvalidInputError(f"`status` must be one of {known}", field="status") from None
