"""GenerationJobService over gRPC: what comes in messages becomes a call, and errors name the messages' fields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from panope.v1 import generation_job_service_pb2 as pb
from panope.v1 import generation_job_service_pb2_grpc as pb_grpc
from panope.v1 import video_service_pb2 as videos
from panope_registry.jobs import JobEntry, JobProgress, JobStatus
from panope_server.config import Limits, MediaLimits
from panope_server.pipeline.call import Call
from panope_server.tasks.catalog import task_of
from panope_server.tasks.vision.frame_interpolation import FrameInterpolationInput
from panope_server.transport.grpc.vision.job_servicer import GenerationJobServicer
from panope_server.transport.interceptors.errors import ErrorInterceptor
from panope_server.transport.interceptors.requests import RequestInterceptor
from panope_server.transport.running_calls import RunningCalls

LIMITS = Limits(media=MediaLimits(max_video_bytes=10))
MODEL = "acme/rife"


MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
QUEUED = JobEntry(
    id=7,
    kind="interpolate_video",
    status=JobStatus.QUEUED,
    payload={"model": MODEL},
    result={},
    progress=JobProgress(),
    attempt=0,
    max_attempts=3,
    error_reason="",
    error_message="",
    retryable=False,
    created_at=MOMENT,
    started_at=None,
    finished_at=None,
    run_at=MOMENT,
    parent_id=None,
    depends_on=(),
    requested_by="",
)


@dataclass
class Jobs:
    """Accepts what is within the limits."""

    calls: list[Call] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def submit(self, call: Call, interface: str, idempotency_key: str = "") -> JobEntry:
        task_of(call.input).validate(call.input, LIMITS)
        self.calls.append(call)
        self.keys.append(idempotency_key)
        return QUEUED


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
async def stub(jobs: Jobs) -> AsyncIterator[Any]:
    calls = RunningCalls()
    server = grpc.aio.server(interceptors=[ErrorInterceptor(calls), RequestInterceptor(calls, 1 << 20)])
    pb_grpc.add_GenerationJobServiceServicer_to_server(GenerationJobServicer(jobs, LIMITS), server)  # type: ignore[arg-type]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pb_grpc.GenerationJobServiceStub(channel)
    await server.stop(0)


def sent(*pieces: bytes, **config: Any) -> Iterator[pb.SubmitInterpolationRequest]:
    told = videos.InterpolateVideoConfig(**{"model": MODEL} | config)
    for request in (
        videos.InterpolateVideoRequest(config=told),
        *(videos.InterpolateVideoRequest(content=piece) for piece in pieces),
    ):
        yield pb.SubmitInterpolationRequest(request=request)


async def test_a_video_in_pieces_becomes_a_job(stub: Any, jobs: Jobs) -> None:
    metadata = (("idempotency-key", "once"), ("x-panope-priority", "low"))
    answer = await stub.SubmitInterpolation(sent(b"an ", b"mp4", factor=4, format=2), metadata=metadata)
    assert (answer.job.id, answer.job.kind) == (7, "interpolate_video")
    (call,) = jobs.calls
    assert call.input == FrameInterpolationInput(b"an mp4", factor=4, output_format="webm")
    assert (call.task, call.interface) == ("frame-interpolation", "GenerationJobService/SubmitInterpolation")
    assert jobs.keys == ["once"]


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "`request.config` must be in the first message"),
        ([pb.SubmitInterpolationRequest()], "`request.config` must be in the first message"),
        ([*sent(), *sent()], "`request.content` is what every message behind the first has"),
        ([*sent()], "`request.content` is empty"),
        ([*sent(b"123456", b"78901")], "`request.content` has 11 bytes; the limit is 10"),
        ([*sent(model="")], "`request.config.model` is empty"),
        ([*sent(b"a", factor=17)], "`request.config.factor` must be"),
        ([*sent(b"a", factor=2, frames_per_second=30)], "`request.config.frames_per_second` and `request.config.fac"),
        ([*sent(b"a", format=9)], "`request.config.format` has no value 9"),
        ([*sent(uri="ftp://a.example/in.mp4")], "`request.config.uri` must be"),
    ],
)
async def test_what_is_wrong_is_named_and_makes_no_job(
    stub: Any, jobs: Jobs, messages: Sequence[pb.SubmitInterpolationRequest], words: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.SubmitInterpolation(iter(messages))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in str(refused.value.details())
    assert jobs.calls == []
