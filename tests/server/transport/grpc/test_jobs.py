"""JobService over gRPC, on the registry's own table of jobs."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from panope.v1 import job_service_pb2 as pb
from panope.v1 import job_service_pb2_grpc as pb_grpc
from panope_registry.jobs import JobContext, JobPart, Jobs, Runner
from panope_registry.session import RegistrySession
from panope_server.runtime.async_registry.jobs import AsyncJobs
from panope_server.transport.grpc.registry.job_servicer import JobServicer
from panope_server.transport.interceptors.errors import ErrorInterceptor
from panope_server.transport.interceptors.requests import RequestInterceptor
from panope_server.transport.running_calls import RunningCalls


@dataclass
class Service:
    """A running JobService and the table behind it."""

    stub: Any
    jobs: Jobs
    async_jobs: AsyncJobs


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    session = RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path)
    jobs = session.jobs
    async_jobs = AsyncJobs(jobs, watch_seconds=0.01)
    calls = RunningCalls()
    server = grpc.aio.server(interceptors=[ErrorInterceptor(calls), RequestInterceptor(calls, 1 << 20)])
    pb_grpc.add_JobServiceServicer_to_server(JobServicer(async_jobs), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Service(pb_grpc.JobServiceStub(channel), jobs, async_jobs)
    await server.stop(0)
    session.close()


async def test_a_job_is_told_with_all_that_is_known_of_it(service: Service) -> None:
    first = service.jobs.enqueue("repo_sync", {"model": "a/b"})
    job = service.jobs.enqueue("artifact_download", {"model": "a/b"}, depends_on=[first.id], requested_by="me")

    told = (await service.stub.GetJob(pb.GetJobRequest(id=job.id))).job

    assert (told.kind, told.status, told.requested_by) == ("artifact_download", pb.Job.STATUS_WAITING, "me")
    assert (told.payload_json, told.result_json, list(told.depends_on)) == ('{"model":"a/b"}', "", [first.id])
    assert told.create_time.ToDatetime() == job.created_at.replace(tzinfo=None)
    assert not told.HasField("error")
    assert not told.HasField("start_time")


async def test_jobs_are_listed_newest_first_page_after_page(service: Service) -> None:
    made = [service.jobs.enqueue("repo_sync", {"number": number}).id for number in range(5)]
    request, found = pb.ListJobsRequest(page_size=2), []
    while True:
        page = await service.stub.ListJobs(request)
        found.append([job.id for job in page.jobs])
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == [made[:2:-1], made[2:0:-1], made[:1]]


async def test_jobs_are_listed_by_state_and_kind(service: Service) -> None:
    sync = service.jobs.enqueue("repo_sync", {})
    download = service.jobs.enqueue("artifact_download", {})
    service.jobs.cancel(sync.id)

    cancelled = await service.stub.ListJobs(pb.ListJobsRequest(status=pb.Job.STATUS_CANCELLED))
    downloads = await service.stub.ListJobs(pb.ListJobsRequest(kind="artifact_download"))

    assert [job.id for job in cancelled.jobs] == [sync.id]
    assert [job.id for job in downloads.jobs] == [download.id]


async def test_a_job_is_cancelled_and_queued_again(service: Service) -> None:
    job = service.jobs.enqueue("repo_sync", {})
    cancelled = await service.stub.CancelJob(pb.CancelJobRequest(id=job.id))
    assert cancelled.job.status == pb.Job.STATUS_CANCELLED
    assert (await service.stub.RetryJob(pb.RetryJobRequest(id=job.id))).job.status == pb.Job.STATUS_QUEUED


@pytest.mark.parametrize(
    ("method", "request_", "code"),
    [
        ("GetJob", pb.GetJobRequest(id=7), grpc.StatusCode.NOT_FOUND),
        ("GetJob", pb.GetJobRequest(), grpc.StatusCode.INVALID_ARGUMENT),
        ("CancelJob", pb.CancelJobRequest(id=7), grpc.StatusCode.NOT_FOUND),
        ("RetryJob", pb.RetryJobRequest(id=1), grpc.StatusCode.FAILED_PRECONDITION),
        ("ListJobs", pb.ListJobsRequest(page_size=1001), grpc.StatusCode.INVALID_ARGUMENT),
        ("ListJobs", pb.ListJobsRequest(page_token="!"), grpc.StatusCode.INVALID_ARGUMENT),
        ("ListJobs", pb.ListJobsRequest(page_token="YS9i"), grpc.StatusCode.INVALID_ARGUMENT),
        ("ListJobs", pb.ListJobsRequest(status=99), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_wrong_request_is_refused(service: Service, method: str, request_: Any, code: grpc.StatusCode) -> None:
    service.jobs.enqueue("repo_sync", {})
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(service.stub, method)(request_)
    assert refused.value.code() == code


async def test_watching_ends_with_the_job(service: Service) -> None:
    job = service.jobs.enqueue("repo_sync", {})
    seen, go_on, stop = [], threading.Event(), threading.Event()

    def handler(context: JobContext) -> dict[str, int]:
        context.progress("download", 5, 10, "bytes", [JobPart("a.bin", 2, 4)])
        go_on.wait(10)
        return {"done": 1}

    runner = Runner(service.jobs, {"repo_sync": handler}, owner="test", tick_seconds=0.02)
    thread = threading.Thread(target=runner.run, args=(stop,))
    try:
        async for answer in service.stub.WatchJob(pb.WatchJobRequest(id=job.id)):
            if not seen:
                thread.start()
            seen.append(answer.job.status)
            if answer.job.progress.done == 5:
                parts = list(answer.job.progress.parts)
                go_on.set()
    finally:
        stop.set()
        await asyncio.to_thread(thread.join)

    assert parts == [pb.JobProgressPart(name="a.bin", done=2, total=4)]
    assert seen[0] == pb.Job.STATUS_QUEUED
    assert pb.Job.STATUS_RUNNING in seen
    assert (answer.job.status, answer.job.result_json) == (pb.Job.STATUS_SUCCEEDED, '{"done":1}')


async def test_watching_a_job_that_has_ended_sends_it_once(service: Service) -> None:
    job = service.jobs.enqueue("repo_sync", {})
    service.jobs.cancel(job.id)
    assert len([answer async for answer in service.stub.WatchJob(pb.WatchJobRequest(id=job.id))]) == 1


async def test_watching_does_not_hold_up_the_end_of_the_server(service: Service) -> None:
    job = service.jobs.enqueue("repo_sync", {})
    call = service.stub.WatchJob(pb.WatchJobRequest(id=job.id))
    await call.read()

    service.async_jobs.close()

    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("job_id", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("method", ["GetJob", "CancelJob", "RetryJob", "WatchJob"])
async def test_there_is_no_job_of_an_id_that_no_database_counts_to(service: Service, method: str, job_id: int) -> None:
    call = getattr(service.stub, method)(getattr(pb, f"{method}Request")(id=job_id))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if method == "WatchJob" else call)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("last", ["9" * 19, "9" * 700, "٣", "-1", "1.5", "0x1", " 1"])
async def test_a_page_token_of_no_number_is_refused_by_name(service: Service, last: str) -> None:
    token = base64.urlsafe_b64encode(last.encode()).decode()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.ListJobs(pb.ListJobsRequest(page_token=token))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "`page_token`" in (caught.value.details() or "")


async def test_a_kind_that_cannot_be_recorded_is_refused_by_name(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.ListJobs(pb.ListJobsRequest(kind="a\0b"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "`kind`" in (caught.value.details() or "")
