"""A tiny pipeline of videos in a real worker behind a real Envoy: every way in gives the same file."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx2
import psutil
import pytest
from tests.served_images import photograph

from command_line import panope
from panope_backends.testing.vision.diffusion import tiny_pipeline
from panope_client import Client, InvalidInputError, UnavailableError
from panope_registry.session import RegistrySession

# A worker with PyTorch.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "acme/tiny-wan"
#: It draws from a text, and from a text and an image.
OF_IMAGES = "acme/tiny-ltx"
SMALL = {"width": 64, "height": 32, "frames": 5, "steps": 2, "seed": 7}


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("video-generation")
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(tiny_pipeline(place / "wan", "wan", seed=3), MODEL)
    session.registry.import_folder(tiny_pipeline(place / "ltx", "ltx", seed=3), OF_IMAGES)
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=240) as client:
            client.load(MODEL)
            client.load(OF_IMAGES)
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def test_a_video_is_drawn_by_every_way_in(server: Any, client: Client) -> None:
    *steps, last = client.stream_generate_video("a fox", MODEL, **SMALL)  # type: ignore[arg-type]
    assert [(each.progress.step, each.progress.steps) for each in steps] == [(1, 2), (2, 2)]
    video = client.generate_video("a fox", MODEL, **SMALL)  # type: ignore[arg-type]
    assert (video.width, video.height, video.frames, video.frames_per_second, video.seed) == (64, 32, 5, 16, 7)
    assert video.content == last.video.content
    with av.open(io.BytesIO(video.content)) as container:
        assert [frame.width for frame in container.decode(video=0)] == [64] * 5
    body = {"prompt": "a fox", "model": MODEL, "size": "64x32", "frames": 5, "steps": 2, "seed": 7}
    for path in ("/v1/video/generation", "/v1/video/generations", "/v1/tool/video/generation"):
        answer = httpx2.post(f"{server.http_url}{path}", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4"), answer.text
        assert answer.content == video.content
    webm = httpx2.post(f"{server.http_url}/v1/video/generation", json=body | {"output_format": "webm"})
    assert webm.headers["content-type"] == "video/webm"
    assert webm.content[:4] == b"\x1aE\xdf\xa3"


def test_the_model_says_what_it_takes(client: Client) -> None:
    told = client.model(MODEL).diffusion
    assert (told.pipeline, list(told.inputs), told.size_multiple) == ("WanPipeline", ["text"], 16)
    assert (told.frames, told.frames_multiple, told.frames_per_second) == (81, 4, 16)


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"width": 60}, "width", "must be a multiple of 16"),
        ({"frames": 6}, "frames", "one more than a multiple of 4"),
        ({"frames": 1026}, "frames", "at most 1,025"),
        ({"frames": 1025, "width": 1920, "height": 1088}, "frames", "the limit is 134,217,728"),
        ({"frames_per_second": 121}, "frames_per_second", "at most 120"),
        ({"steps": 251}, "steps", "at most 250"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(
    server: Any, client: Client, options: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        client.generate_video("a fox", MODEL, **SMALL | options)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert words in str(refused.value)


def test_a_video_begins_with_an_image_by_every_way_in(server: Any, client: Client, tmp_path: Path) -> None:
    assert list(client.model(OF_IMAGES).diffusion.inputs) == ["image", "text"]
    asked: Any = SMALL | {"frames": 9, "frames_per_second": 8}
    image = photograph(5)
    video = client.generate_video("a fox", OF_IMAGES, image=image, **asked)
    assert (video.width, video.height, video.frames) == (64, 32, 9)
    assert video.content != client.generate_video("a fox", OF_IMAGES, **asked).content
    body = {"prompt": "a fox", "model": OF_IMAGES, "size": "64x32", "frames": 9, "frames_per_second": 8, "steps": 2}
    plain = base64.b64encode(image).decode()
    for text in (plain, f"data:image/png;base64,{plain}"):
        answer = httpx2.post(f"{server.http_url}/v1/video/generation", json=body | {"seed": 7, "image": text})
        assert (answer.status_code, answer.content == video.content) == (200, True), answer.text
    (tmp_path / "in.png").write_bytes(image)
    command = [
        sys.executable,
        "-m",
        "panope_server",
        "generate-video",
        OF_IMAGES,
        "a fox",
        "--image",
        tmp_path / "in.png",
    ]
    small = ["--size", "64x32", "--frames", "9", "--fps", "8", "--steps", "2", "--seed", "7"]
    out = tmp_path / "out.mp4"
    subprocess.run([*command, *small, "--out", out, "--address", server.grpc_address], timeout=60, check=True)
    assert out.read_bytes() == video.content


@pytest.mark.parametrize(
    ("model", "image", "words"),
    [
        (MODEL, photograph(5), "does not draw from an image"),
        (OF_IMAGES, b"", "is empty"),
        (OF_IMAGES, b"no image", "of no known format"),
        (OF_IMAGES, photograph(5)[:300], "truncated or broken"),
        (OF_IMAGES, "https://example.com/a.png", "allowed_hosts"),
    ],
)
def test_an_image_that_is_none_or_not_for_the_model_is_refused(
    client: Client, model: str, image: bytes | str, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        client.generate_video("a fox", model, image=image, **SMALL | {"frames": 9})  # type: ignore[arg-type]
    assert refused.value.field.partition(".")[0] == "image"


def test_unknown_fields_and_models_of_images_are_refused(server: Any) -> None:
    url = f"{server.http_url}/v1/video/generation"
    refused = httpx2.post(url, json={"prompt": "a", "model": MODEL, "colour": "red"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "colour")
    wrong = httpx2.post(f"{server.http_url}/v1/images/generations", json={"prompt": "a", "model": MODEL})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "model")


def test_a_caller_who_leaves_ends_the_work_within_a_step(server: Any, client: Client) -> None:
    stream = client.stream_generate_video("a fox", MODEL, **SMALL | {"steps": 250})  # type: ignore[arg-type]
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    began = time.monotonic()
    client.generate_video("a fox", MODEL, **SMALL)  # type: ignore[arg-type]
    assert time.monotonic() - began < 20


def test_a_file_is_written_by_the_command_line(server: Any, client: Client, tmp_path: Path) -> None:
    small = ("--size", "64x32", "--frames", "5", "--steps", "2", "--seed", "7")
    command = ("generate-video", MODEL, "a fox", *small, "--address", server.grpc_address, "--out")
    told = panope(*command, tmp_path / "fox.mp4").out
    assert told.rstrip().endswith("64 × 32, 5 frames at 16 a second, seed 7")
    wanted = client.generate_video("a fox", MODEL, **SMALL)  # type: ignore[arg-type]
    assert (tmp_path / "fox.mp4").read_bytes() == wanted.content
    assert panope(*command, tmp_path / "fox.webm", "--json", "--fps", "8").json["frames_per_second"] == 8
    assert "ends in none of" in panope(*command, tmp_path / "fox.gif", code=1).err


def test_a_lost_worker_fails_its_call(server: Any, client: Client) -> None:
    (pid,) = [instance.pid for instance in client.model(MODEL).instances]
    stream = iter(client.stream_generate_video("a fox", MODEL, **SMALL | {"steps": 250}))  # type: ignore[arg-type]
    next(stream)
    psutil.Process(pid).kill()
    with pytest.raises(UnavailableError):
        for _ in stream:
            pass
