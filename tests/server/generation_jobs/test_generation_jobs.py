"""A call that is accepted as a job runs later, as its caller, into files; and what may go wrong on its way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from panope.worker.v1.frame_interpolation_pb2 import FrameInterpolationFacts
from panope_backends.errors import (
    InstanceLostError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from panope_registry.access.scopes import ModelPatterns, Scopes
from panope_registry.jobs import JobStatus
from panope_server.access.principal import ANONYMOUS, NOBODY, Principal, set_principal
from panope_server.pipeline.call import Call
from panope_server.tasks.task import Input
from panope_server.tasks.vision.frame_interpolation import (
    FrameInterpolationInput,
    FrameInterpolationOutput,
    FrameProgress,
)
from panope_server.tasks.vision.image_generation import (
    GeneratedImage,
    ImageGenerationInput,
    ImageGenerationOutput,
    Progress,
)
from panope_server.tasks.vision.images import Image
from panope_server.tasks.vision.video_generation import Video, VideoGenerationInput, VideoGenerationOutput

PIECES = (b"first ", b"second")


def call_of(task_input: Input, task: str = "video-generation") -> Call:
    return Call("acme/wan", task_input, task, "GenerationJobService/SubmitVideo", "r1", caller="key:k1")


async def film(call: Call) -> None:
    for step in (1, 2):
        await call.output.put(VideoGenerationOutput(Progress(0, step, 2)))
    for piece in PIECES:
        await call.output.put(VideoGenerationOutput(video=Video(piece, 64, 32, 5, 16.0, 7)))


async def test_a_job_runs_as_its_caller_and_its_file_is_the_answer(server: Any, ada: Principal) -> None:
    server.answer = film
    server.keys.live["k1"] = ada
    set_principal(ada)
    job = await server.jobs.submit(call_of(VideoGenerationInput("a fox", seed=7)), "grpc")
    assert (job.status, job.owner, job.requested_by) == (JobStatus.QUEUED, "key:k1", "ada")
    assert "run" not in job.told_payload, "whom it runs as is nobody's business"
    done = await server.ended(job)
    assert (done.status, done.progress.done, done.progress.total) == (JobStatus.SUCCEEDED, 2, 2)
    ((call, principal),) = server.calls
    assert (principal, call.caller, call.input.prompt) == (ada, "key:k1", "a fox")
    served = await server.jobs.file(job.id, "0.mp4")
    assert served.path.read_bytes() == b"".join(PIECES)
    assert served.file.facts == {"width": 64, "height": 32, "frames": 5, "frames_per_second": 16.0, "seed": 7}


async def test_a_job_asks_for_the_hardware_that_its_call_asked_for(server: Any) -> None:
    server.answer = film
    call = call_of(VideoGenerationInput("a fox"))
    call.hardware = ("openvino", "any")
    await server.ended(await server.jobs.submit(call, "grpc"))
    assert server.calls[0][0].hardware == ("openvino", "any")
    call.hardware = ("tpu",)
    with pytest.raises(InvalidInputError, match="names `tpu`; the backends here are cpu, openvino"):
        await server.jobs.submit(call, "grpc")


async def test_a_job_that_an_older_server_accepted_runs_on_any_hardware(server: Any) -> None:
    server.answer = film
    run = {"caller": {"name": "", "scopes": [], "models": [], "max_priority": 0}, "flow": "", "interface": "grpc"}
    run |= {"request_id": "r", "keep_alive": None, "priority": None, "session": "", "user": ""}
    payload = {"model": "acme/wan", "input": {"prompt": "a fox"}, "run": run}
    job = await asyncio.to_thread(server.files.enqueue, "generate_video", payload, {}, owner="", requested_by="grpc")
    ended = await server.ended(job)
    assert (ended.status, ended.error_message) == (JobStatus.SUCCEEDED, "")
    assert server.calls[0][0].hardware == ()


async def test_images_that_are_begun_from_are_kept_until_the_job_is_done(server: Any, ada: Principal) -> None:
    async def draw(call: Call) -> None:
        assert (call.input.image, call.input.mask) == (Image(content=b"png"), Image(data_url="data:;base64,YQ=="))
        for index in range(2):
            made = GeneratedImage(index, 8, 8, b"%d" % index, index, flagged=index == 1)
            await call.output.put(ImageGenerationOutput(Progress(index, 1, 1)))
            await call.output.put(ImageGenerationOutput(images=[made]))

    server.answer, server.directory.task = draw, "image-generation"
    server.keys.live["k1"] = ada
    set_principal(ada)
    image, mask = Image(content=b"png"), Image(data_url="data:;base64,YQ==")
    wanted = ImageGenerationInput("a fox", count=2, image=image, mask=mask)
    job = await server.jobs.submit(call_of(wanted, "image-generation"), "grpc")
    assert "cG5n" not in str(job.payload), "media are files"
    done = await server.ended(job)
    assert [(file["name"], file["flagged"]) for file in done.result["files"]] == [("0.png", False), ("1.png", True)]
    assert sorted(path.name for path in server.files.folder_of(done).iterdir()) == ["0.png", "1.png", "files.json"]


async def test_a_video_that_gets_more_frames_is_a_file_of_its_job_until_it_is_done(server: Any, ada: Principal) -> None:
    async def smooth(call: Call) -> None:
        assert call.input == FrameInterpolationInput(b"an mp4", factor=4)
        await call.output.put(FrameInterpolationOutput(FrameProgress(3, 0)))
        await call.output.put(FrameInterpolationOutput(FrameProgress(21, 21)))
        for piece in PIECES:
            await call.output.put(FrameInterpolationOutput(video=Video(piece, 64, 48, 21, 40.0, has_audio=True)))

    server.answer, server.directory.task = smooth, "frame-interpolation"
    server.keys.live["k1"] = ada
    set_principal(ada)
    wanted = call_of(FrameInterpolationInput(b"an mp4", factor=4), "frame-interpolation")
    job = await server.jobs.submit(wanted, "grpc")
    assert (job.kind, job.payload["input"]["video"]) == ("interpolate_video", {"file": "bytes"})
    done = await server.ended(job)
    assert (done.status, done.error_message) == (JobStatus.SUCCEEDED, "")
    assert (done.progress.done, done.progress.total, done.progress.unit) == (21, 21, "frames")
    served = await server.jobs.file(job.id, "0.mp4")
    assert served.path.read_bytes() == b"".join(PIECES)
    facts = {"width": 64, "height": 48, "frames": 21, "frames_per_second": 40.0, "has_audio": True}
    assert served.file.facts == facts, "what was not drawn has no seed"
    assert sorted(path.name for path in served.path.parent.iterdir()) == ["0.mp4", "files.json"]


async def test_a_video_of_a_url_is_named_until_its_job_runs(server: Any) -> None:
    server.answer, server.directory.task = film, "frame-interpolation"
    set_principal(ANONYMOUS)
    wanted = FrameInterpolationInput(b"", url="https://a.example/in.mp4")
    job = await server.jobs.submit(call_of(wanted, "frame-interpolation"), "grpc")
    await server.ended(job)
    assert server.calls[0][0].input == wanted


@pytest.mark.parametrize(
    ("asked", "field"), [({"factor": 3}, "factor"), ({"frames_per_second": 50}, "frames_per_second")]
)
async def test_frames_that_the_loaded_graph_cannot_make_are_no_job(
    server: Any, asked: dict[str, int], field: str
) -> None:
    facts = FrameInterpolationFacts(takes_timestep=False)
    server.jobs._facts_of = lambda _model: facts  # what the worker told when it was loaded
    server.answer, server.directory.task = film, "frame-interpolation"
    set_principal(ANONYMOUS)
    with pytest.raises(InvalidInputError, match="the frame in the middle of two alone") as refused:
        await server.jobs.submit(call_of(FrameInterpolationInput(b"an mp4", **asked), "frame-interpolation"), "grpc")
    assert refused.value.field == field
    facts.takes_timestep = True
    job = await server.jobs.submit(call_of(FrameInterpolationInput(b"an mp4", **asked), "frame-interpolation"), "grpc")
    await server.ended(job)


async def test_cancelling_a_job_cancels_its_call_in_mid_step(server: Any) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(call: Call) -> None:
        await call.output.put(VideoGenerationOutput(video=Video(b"half", 64, 32, 5, 16.0, 7)))
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    server.answer = endless
    set_principal(ANONYMOUS)
    job = await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc")
    await begun.wait()
    await server.authorized.cancel(job.id)
    done = await server.ended(job)
    assert done.status is JobStatus.CANCELLED
    assert ended.is_set()
    assert list(server.files.folder_of(done).iterdir()) == [], "nothing is left of a file that is not whole"


async def test_a_job_whose_worker_is_killed_is_tried_again(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panope_backends.retry.RetryPolicy.delay_seconds", lambda *_: 0.0)

    async def killed_once(call: Call) -> None:
        if len(server.calls) == 1:
            await call.output.put(VideoGenerationOutput(video=Video(b"half", 64, 32, 5, 16.0, 7)))
            raise InstanceLostError("the worker process died")
        await film(call)

    server.answer = killed_once
    done = await server.ended(await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc"))
    assert (done.status, done.attempt) == (JobStatus.SUCCEEDED, 2)
    assert (await server.jobs.file(done.id, "0.mp4")).path.read_bytes() == b"".join(PIECES)


async def test_a_server_that_dies_when_all_is_kept_leaves_the_result_to_the_next_attempt(
    server: Any, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_backends.retry.RetryPolicy.delay_seconds", lambda *_: 0.0)
    keep = server.files.keep

    def die(*arguments: Any) -> Any:
        keep(*arguments)
        monkeypatch.setattr(server.files, "keep", keep)
        raise InstanceLostError("what comes behind it is not done")

    monkeypatch.setattr(server.files, "keep", die)
    monkeypatch.setattr("panope_server.generation_jobs.results.ResultWriter.close", lambda *_, **__: None)
    server.answer = film
    server.keys.live["k1"] = ada
    set_principal(ada)
    wanted = VideoGenerationInput("a fox", image=Image(content=b"png"))
    done = await server.ended(await server.jobs.submit(call_of(wanted), "grpc"))
    assert (done.status, done.attempt, len(server.calls)) == (JobStatus.SUCCEEDED, 2, 1)
    served = await server.jobs.file(done.id, "0.mp4")
    assert served.path.read_bytes() == b"".join(PIECES)
    assert served.file.facts["width"] == 64
    assert done.result["expires_at"].startswith(done.files_until.isoformat()[:19])


async def test_a_job_waits_without_losing_attempts_while_its_caller_is_past_a_limit(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panope_server.generation_jobs.handler.WAIT_SECONDS", 0.0)

    async def busy(call: Call) -> None:
        if len(server.calls) <= 4:
            raise OverloadedError("the queue is full", retry_after_seconds=0.0)
        await film(call)

    server.answer = busy
    done = await server.ended(await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc"))
    assert (done.status, done.attempt, len(server.calls)) == (JobStatus.SUCCEEDED, 1, 5)


async def test_a_refusal_is_the_jobs_failure_with_its_reason(server: Any) -> None:
    async def refuse(call: Call) -> None:
        raise InvalidInputError("`width` must be a multiple of 16", field="width")

    server.answer = refuse
    done = await server.ended(await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc"))
    assert (done.status, done.error_reason, done.attempt) == (JobStatus.FAILED, "invalid_input", 1)


async def test_a_job_of_a_key_that_has_ended_does_not_run(server: Any, ada: Principal) -> None:
    set_principal(ada)
    done = await server.ended(await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc"))
    assert (done.status, done.error_reason, server.calls) == (JobStatus.FAILED, "key_ended", [])


async def test_callers_without_keys_are_known_again_as_they_were_let_in(server: Any) -> None:
    server.answer = film
    scopes, models = Scopes.parse(["video-generation:run"]), ModelPatterns.parse(["acme/*"])
    token = Principal("token:ada", scopes=scopes, models=models)
    set_principal(token)
    done = await server.ended(await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc"))
    assert done.status is JobStatus.SUCCEEDED
    assert server.calls[0][1] == token


@pytest.mark.parametrize(
    ("wanted", "field"),
    [(VideoGenerationInput(""), "prompt"), (VideoGenerationInput("a", frames=5000), "frames")],
    ids=["no prompt", "too many frames"],
)
async def test_what_no_model_could_run_is_refused_before_there_is_a_job(server: Any, wanted: Any, field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await server.jobs.submit(call_of(wanted), "grpc")
    assert refused.value.field == field
    assert server.session.jobs.list() == []


async def test_a_job_is_its_callers_alone_but_for_administrators(server: Any, ada: Principal) -> None:
    server.answer = film
    ada = replace(ada, scopes=Scopes.parse(["infer:*"]))
    server.keys.live["k1"] = ada
    set_principal(ada)
    job = await server.ended(await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc"))
    server.session.jobs.enqueue("repo_sync", {"model": "acme/wan"})
    assert [found.id for found in await server.authorized.list()] == [job.id], "without a scope of jobs"
    for other in (
        Principal("bob", "k2", scopes=Scopes.parse(["infer:*"])),
        Principal("ops", "k3", scopes=Scopes.parse(["jobs:*"])),
        NOBODY,
    ):
        set_principal(other)
        assert job.id not in [found.id for found in await server.authorized.list()]
        for act in (
            server.authorized.get(job.id),
            server.authorized.cancel(job.id),
            server.authorized.retry(job.id),
            server.jobs.file(job.id, "0.mp4"),
            server.jobs.delete_files(job.id),
        ):
            with pytest.raises(NotFoundError, match=f"job {job.id} does not exist"):
                await act
    set_principal(Principal("root", "k4"))
    assert (await server.jobs.file(job.id, "0.mp4")).job.id == job.id


async def test_jobs_of_the_registry_need_a_scope_to_be_seen_or_ended(server: Any) -> None:
    job = server.session.jobs.enqueue("repo_sync", {"model": "acme/wan"})
    set_principal(Principal("reader", "k1", scopes=Scopes.parse(["jobs:read"])))
    assert (await server.authorized.get(job.id)).id == job.id
    with pytest.raises(PermissionDeniedError, match="`jobs:write`"):
        await server.authorized.cancel(job.id)
    set_principal(Principal("writer", "k2", scopes=Scopes.parse(["jobs:write"])))
    assert (await server.authorized.cancel(job.id)).status is JobStatus.CANCELLED


async def test_nobody_known_can_own_a_job_where_keys_are_known(server: Any) -> None:
    set_principal(Principal(scopes=Scopes.parse(["infer:*"])))
    with pytest.raises(UnauthenticatedError, match="send an API key"):
        await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc")


async def test_a_full_disk_fails_the_job_by_name(server: Any) -> None:
    async def onto_a_full_disk(call: Call) -> None:
        (job,) = server.session.jobs.list()
        (server.files.folder_of(job) / "0.mp4.part").symlink_to("/dev/full")
        await film(call)

    server.answer = onto_a_full_disk
    set_principal(ANONYMOUS)
    done = await server.ended(await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc"))
    assert (done.status, done.error_reason, done.attempt) == (JobStatus.FAILED, "disk_full", 1)


async def test_a_job_that_runs_when_the_server_stops_is_left_for_its_next_start(server: Any) -> None:
    begun = asyncio.Event()

    async def endless(call: Call) -> None:
        begun.set()
        await asyncio.Event().wait()

    server.answer = endless
    set_principal(ANONYMOUS)
    job = await server.jobs.submit(call_of(VideoGenerationInput("a fox")), "grpc")
    await begun.wait()
    await server.runner.stop()
    left = server.session.jobs.get(job.id)
    assert (left.status, left.attempt) == (JobStatus.QUEUED, 0)
