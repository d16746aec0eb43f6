"""OpenAI's unmodified client on videos, through the real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import openai
import pytest
from rest_doubles.generation_jobs import CONTENT
from rest_doubles.models import FILMER

from panope_registry.jobs import JobProgress, JobStatus
from panope_server.tasks.vision.images import Image

FILE = ("a.png", b"png", "image/png")
DATA_URL = "data:image/png;base64,cG5n"

# OpenAI ends its own videos, and says so; the shape is what servers in the field speak.
pytestmark = pytest.mark.filterwarnings("ignore:.*Sora.*:DeprecationWarning")


@pytest.fixture
def client(edge) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{edge.http_port}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_a_video_is_asked_for_followed_fetched_and_deleted(edge, client):
    video = client.videos.create(prompt="a fox", model=FILMER, seconds="2", size="64x32", extra_body={"steps": 2})
    assert (video.id, video.status, video.progress, video.model) == ("video_3", "queued", 0, FILMER)
    assert (video.size, video.seconds, video.prompt) == ("64x32", "2.0625", "a fox")
    asked = edge.instances.calls[-1].input
    assert (asked.frames, asked.frames_per_second, asked.steps) == (33, 16, 2)
    running = replace(edge.jobs.entries[3], status=JobStatus.RUNNING, progress=JobProgress("generate", 1, 4, "steps"))
    edge.jobs.entries[3] = running
    video = client.videos.retrieve("video_3")
    assert (video.status, video.progress, video.error) == ("in_progress", 25, None)
    edge.generation_jobs.finish(3)
    video = client.videos.retrieve("video_3")
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "0.3125", "64x32")
    assert video.expires_at is not None
    assert client.videos.download_content("video_3").read() == CONTENT
    assert client.videos.delete("video_3").deleted
    with pytest.raises(openai.APIStatusError) as gone:
        client.videos.download_content("video_3")
    assert (gone.value.status_code, gone.value.code) == (410, "job_files_expired")


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({"input_reference": FILE}, Image(content=b"png")),
        # The client's types have the object, and its code refuses it as no file.
        ({"extra_body": {"input_reference": {"image_url": DATA_URL}}}, Image(data_url=DATA_URL)),
    ],
    ids=["file", "url"],
)
def test_a_video_may_begin_with_an_image(edge, client, fields, image):
    client.videos.create(prompt="a fox", model=FILMER, **fields)
    assert edge.instances.calls[-1].input.image == image


@pytest.mark.parametrize("reference", [{"image_url": DATA_URL}, DATA_URL], ids=["object", "text"])
def test_json_may_have_the_image_too(edge, reference):
    body = {"prompt": "a fox", "model": FILMER, "input_reference": reference}
    assert httpx.post(f"http://127.0.0.1:{edge.http_port}/v1/videos", json=body).status_code == 200
    assert edge.instances.calls[-1].input.image == Image(data_url=DATA_URL)


def test_videos_are_listed_page_by_page(edge, client):
    for number in (3, 4, 5):
        edge.generation_jobs.finish(number)
    assert [video.id for video in client.videos.list(limit=2)] == ["video_5", "video_4", "video_3"]


def test_why_there_is_no_video_is_told(edge, client):
    job = edge.generation_jobs.finish(3)
    edge.jobs.entries[3] = replace(job, status=JobStatus.FAILED, error_reason="disk_full", error_message="no room")
    video = client.videos.retrieve("video_3")
    assert (video.status, video.error.code, video.error.message) == ("failed", "disk_full", "no room")
    edge.jobs.entries[3] = replace(job, status=JobStatus.CANCELLED)
    assert client.videos.retrieve("video_3").error.code == "cancelled"


def test_a_video_that_is_not_done_is_cancelled_by_deleting_it(edge, client):
    client.videos.create(prompt="a fox", model=FILMER)
    client.videos.delete("video_3")
    assert ("cancel", 3) in edge.jobs.asked


@pytest.mark.parametrize("video", ["video_99", "video_x", "2", "video_2"])
def test_what_is_no_video_is_404(client, video):
    with pytest.raises(openai.NotFoundError) as missing:
        client.videos.retrieve(video)
    assert missing.value.code == "video_not_found"


def test_the_file_of_another_job_is_no_video(edge, client):
    edge.generation_jobs.finish(3, "generate_images")
    with pytest.raises(openai.NotFoundError) as missing:
        client.videos.download_content("video_3")
    assert missing.value.code == "video_not_found"


@pytest.mark.parametrize("after", ["video_x", "2", "\x93"])
def test_a_page_begins_after_a_video(client, after):
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.list(after=after)
    assert refused.value.param == "after"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"seconds": "soon"}, "seconds"),
        ({"size": "big"}, "size"),
        ({"input_reference": ("a.png", b"", "image/png")}, "input_reference"),
        ({"extra_body": {"input_reference": {"image_url": "ftp://a/b.png"}}}, "input_reference.image_url"),
        ({"extra_body": {"input_reference": {"file_id": "file-1"}}}, "input_reference[file_id]"),
        (
            {"input_reference": FILE, "extra_body": {"input_reference": {"image_url": "data:;base64,YQ=="}}},
            "input_reference",
        ),
        ({"extra_body": {"steps": "0"}}, "steps"),
        ({"extra_body": {"fps": "0"}}, "fps"),
    ],
    ids=["seconds", "size", "empty file", "other url", "kept file", "two images", "steps", "unknown"],
)
def test_what_is_refused_is_named(edge, client, fields, param):
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(prompt="a fox", model=FILMER, **fields)
    assert refused.value.param == param
    assert 3 not in edge.jobs.entries


def test_a_video_that_is_too_long_is_refused_in_frames(edge, client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(prompt="a fox", model=FILMER, seconds="999", extra_body={"frames_per_second": "16"})
    assert refused.value.param == "seconds"
    assert "`seconds` come to 15,985 frames at 16 in a second; the limit is 1,025 frames" in refused.value.message
    assert 3 not in edge.jobs.entries


def test_only_the_video_itself_can_be_downloaded(edge, client):
    edge.generation_jobs.finish(3)
    with pytest.raises(openai.BadRequestError, match="nothing else is made"):
        client.videos.download_content("video_3", variant="thumbnail")
    with pytest.raises(openai.BadRequestError, match="the newest come first"):
        client.videos.list(order="asc")
