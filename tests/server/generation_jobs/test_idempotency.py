"""A request that is sent again, because its answer was lost, makes no second job."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from panope_backends.errors import InvalidInputError
from panope_registry.jobs import JobStatus
from panope_server.access.principal import Principal, set_principal
from panope_server.pipeline.call import Call
from panope_server.tasks.vision.images import Image
from panope_server.tasks.vision.video_generation import Video, VideoGenerationInput, VideoGenerationOutput

IMAGE = Image(content=b"png")


def call_of(
    prompt: str = "a fox", image: Image | None = IMAGE, owner: str = "k1", hardware: tuple[str, ...] = ()
) -> Call:
    wanted, caller = VideoGenerationInput(prompt, image=image), f"key:{owner}"
    interface = "GenerationJobService/SubmitVideo"
    return Call("acme/wan", wanted, "video-generation", interface, "r1", caller=caller, hardware=hardware)


async def film(call: Call) -> None:
    await call.output.put(VideoGenerationOutput(video=Video(b"film", 64, 32, 5, 16.0, 7)))


@pytest.fixture(autouse=True)
def of_ada(server: Any, ada: Principal) -> None:
    server.answer = film
    server.keys.live["k1"] = ada
    set_principal(ada)


async def test_a_request_of_the_same_key_is_answered_with_its_job_until_the_files_go(server: Any) -> None:
    job = await server.jobs.submit(call_of(), "grpc", "once")
    assert (await server.jobs.submit(call_of(), "rest", "once")).id == job.id
    done = await server.ended(job)
    assert (await server.jobs.submit(call_of(), "grpc", "once")).status is JobStatus.SUCCEEDED
    await server.jobs.delete_files(done.id)
    assert (await server.jobs.submit(call_of(), "grpc", "once")).id != job.id


async def test_requests_of_one_key_at_a_time_make_one_job_with_one_folder(server: Any) -> None:
    jobs = await asyncio.gather(*(server.jobs.submit(call_of(), "grpc", "once") for _ in range(8)))
    assert len({job.id for job in jobs}) == 1
    assert len(list(server.session.store.job_files.iterdir())) == 1


@pytest.mark.parametrize(
    "other",
    [call_of("a dog"), call_of(image=None), call_of(image=Image(content=b"gif")), call_of(hardware=("openvino",))],
    ids=["text", "none", "image", "hardware"],
)
async def test_the_key_of_another_request_is_refused(server: Any, other: Call) -> None:
    await server.jobs.submit(call_of(), "grpc", "once")
    with pytest.raises(InvalidInputError, match="`idempotency-key` is that of another request") as refused:
        await server.jobs.submit(other, "grpc", "once")
    assert (refused.value.field, refused.value.reason) == ("idempotency-key", "idempotency_key_reused")
    assert len(server.session.jobs.list()) == 1


async def test_keys_of_other_callers_and_requests_without_one_are_their_own(server: Any, ada: Principal) -> None:
    ids = [(await server.jobs.submit(call_of(), "grpc", key)).id for key in ("once", "twice", "", "")]
    set_principal(replace(ada, name="bob", key_id="k2"))
    ids.append((await server.jobs.submit(call_of(owner="k2"), "grpc", "once")).id)
    assert len(set(ids)) == len(ids)
