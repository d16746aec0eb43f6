"""A graph that blends frames in a real worker behind a real Envoy: every way in gives the same video."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx2
import psutil
import pytest
from tests.backends.tasks.frame_interpolation.videos import lossless, moving, shown
from tests.frame_graphs import write_blend

from command_line import panope
from panope.v1 import video_service_pb2 as pb
from panope.v1 import video_service_pb2_grpc as pb_grpc
from panope_client import Client, InvalidArgumentError, InvalidInputError, UnavailableError
from panope_registry.session import RegistrySession

# A server with a worker and Envoy, and a process for each command.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODEL = "acme/blend"
VIDEO = lossless(moving(6), sound="aac")
PATHS = ("/v1/video/interpolate", "/v1/tool/video/interpolate")


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("interpolation")
    home = place / "home"
    folder = write_blend(place / "blend", multiple_of=64)
    (folder / "panope.json").unlink()  # the import writes it: two images and a number to an image
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(folder, MODEL)
    session.close()
    servers = make_servers(place, place)
    try:
        yield servers.start(f"--load={MODEL}", home=home, demo=False)
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def posted(server: Any, path: str = PATHS[0], video: bytes = VIDEO, **fields: str) -> Any:
    data = {"model": MODEL, **fields}
    return httpx2.post(f"{server.http_url}{path}", files={"file": ("in.mkv", video)}, data=data, timeout=60)


def test_a_video_gets_more_frames_by_every_way_in(server: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "in.mkv").write_bytes(VIDEO)
    *steps, last = client.stream_interpolate_video(tmp_path / "in.mkv", MODEL, factor=4)
    assert [each.progress.frames for each in steps] == list(range(1, 22))
    video = client.interpolate_video(VIDEO, MODEL, factor=4)
    assert (video.width, video.height, video.frames, video.frames_per_second) == (64, 48, 21, 40)
    assert video.has_audio
    assert video.content == last.video.content
    with av.open(io.BytesIO(video.content)) as container:
        assert len(container.streams.audio) == 1
    times = [at for at, _ in shown(video.content)]
    assert times == pytest.approx([at / 40 for at in range(21)], abs=2e-3)
    for path in PATHS:
        answer = posted(server, path, factor="4")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4"), answer.text
        assert answer.content == video.content
    webm = posted(server, frames_per_second="23.976", output_format="webm")
    assert (webm.status_code, webm.headers["content-type"]) == (200, "video/webm")
    assert len(shown(webm.content)) == 12  # half a second of it


def test_the_model_was_described_at_its_import(client: Client) -> None:
    model = client.model(MODEL)
    assert (model.task, model.architecture) == ("frame-interpolation", "frame-between")


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"factor": "1"}, "factor", "2"),
        ({"factor": "17"}, "factor", "16"),
        ({"factor": "two"}, "factor", "factor"),
        ({"factor": "2", "frames_per_second": "30"}, "frames_per_second", "give one"),
        ({"frames_per_second": "nan"}, "frames_per_second", "frames_per_second"),
        ({"frames_per_second": "241"}, "frames_per_second", "240"),
        ({"output_format": "gif"}, "output_format", "output_format"),
        ({"speed": "2"}, "speed", "unknown field"),
        ({"file": "a text"}, "file", "file"),
    ],
)
def test_wrong_fields_are_refused_by_name(server: Any, fields: dict[str, str], param: str, words: str) -> None:
    refused = posted(server, **fields)
    assert refused.status_code == 400, refused.text
    error = refused.json()["error"]
    assert error["param"] == param
    assert words in error["message"]


@pytest.mark.parametrize(
    ("video", "words"),
    [
        (b"", "`file` is empty"),
        (b"GIF89a", "no video that can be read"),
        (VIDEO[: len(VIDEO) // 2], "cut"),
        (VIDEO[:200] + bytes(len(VIDEO) - 200), "damaged or cut"),
    ],
)
def test_what_is_no_video_is_refused(server: Any, video: bytes, words: str) -> None:
    refused = posted(server, video=video)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "file"), refused.text
    assert words in refused.json()["error"]["message"]
    missing = httpx2.post(f"{server.http_url}{PATHS[0]}", files={"video": VIDEO}, data={"model": MODEL})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "file")


def test_messages_in_a_wrong_order_are_refused(server: Any, client: Client) -> None:
    import grpc

    config = pb.InterpolateVideoRequest(config=pb.InterpolateVideoConfig(model=MODEL))
    piece = pb.InterpolateVideoRequest(content=VIDEO)
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = pb_grpc.VideoServiceStub(channel)
        for messages, words in (
            ([], "`config` must be in the first message"),
            ([piece], "`config` must be in the first message"),
            ([config, config], "`content` is what every message behind the first has"),
            ([config], "`content` is empty"),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                list(stub.InterpolateVideo(iter(messages)))
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
            assert words in refused.value.details()  # type: ignore[attr-defined]
    with pytest.raises(InvalidArgumentError, match="there is no file"):
        client.interpolate_video("/nowhere.mp4", MODEL)
    with pytest.raises(InvalidInputError, match="allowed_hosts"):
        client.interpolate_video("https://example.com/in.mp4", MODEL)


def test_more_than_the_limit_is_refused_before_all_of_it_has_come(server: Any, client: Client) -> None:
    sent = 0

    def pieces() -> Iterator[pb.InterpolateVideoRequest]:
        nonlocal sent
        yield pb.InterpolateVideoRequest(config=pb.InterpolateVideoConfig(model=MODEL))
        for _ in range(400):
            sent += 1
            yield pb.InterpolateVideoRequest(content=bytes(1 << 20))

    import grpc

    with grpc.insecure_channel(server.grpc_address) as channel, pytest.raises(grpc.RpcError) as refused:
        list(pb_grpc.VideoServiceStub(channel).InterpolateVideo(pieces()))
    assert "the limit is 67,108,864" in refused.value.details()  # type: ignore[attr-defined]
    assert sent < 400


LONG = lossless(moving(2000, 32, 32))


def test_a_caller_who_leaves_ends_the_work_within_a_frame(client: Client) -> None:
    stream = client.stream_interpolate_video(LONG, MODEL, factor=16)
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    began = time.monotonic()
    client.interpolate_video(VIDEO, MODEL)
    assert time.monotonic() - began < 20


def test_a_file_is_written_by_the_command_line(server: Any, client: Client, tmp_path: Path) -> None:
    (tmp_path / "in.mkv").write_bytes(VIDEO)

    command = ("interpolate", MODEL, tmp_path / "in.mkv", "--address", server.grpc_address)
    told = panope(*command, "--factor", "4").out
    assert told.replace("\n", "").endswith("64 × 48, 21 frames at 40 a second, with sound")
    wanted = client.interpolate_video(VIDEO, MODEL, factor=4)
    assert (tmp_path / "in-interpolated.mp4").read_bytes() == wanted.content
    out = tmp_path / "out.webm"
    assert panope(*command, "--json", "--fps", "30", "--out", out).json["frames_per_second"] == 30
    assert "ends in none of" in panope(*command, "--out", tmp_path / "out.gif", code=1).err
    assert "give one" in panope(*command, "--fps", "30", "--factor", "2", code=1).err


def test_a_lost_worker_fails_its_call(client: Client) -> None:
    (pid,) = [instance.pid for instance in client.model(MODEL).instances]
    stream = iter(client.stream_interpolate_video(LONG, MODEL, factor=16))
    next(stream)
    psutil.Process(pid).kill()
    with pytest.raises(UnavailableError):
        for _ in stream:
            pass
