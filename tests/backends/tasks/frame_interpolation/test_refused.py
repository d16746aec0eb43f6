"""What is refused of videos, fields and graphs."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from tests.backends.tasks.frame_interpolation.interpolating import LIMITS, TASK, made, message
from tests.backends.tasks.frame_interpolation.videos import lossless, moving
from tests.frame_graphs import write_blend
from tests.served_images import served

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.frame_interpolation import module


def cut(video: bytes) -> bytes:
    return video[: len(video) * 2 // 3]


@pytest.mark.parametrize(
    ("video", "words"),
    [
        (b"", "is empty"),
        (b"hello, I am no video", "is no video that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no video that can be read"),
        (b"#EXTM3U\nfile:///etc/passwd", "is no video that can be read"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(100), "damaged or cut"),
        (b"\x1aE\xdf\xa3" + bytes(100), "damaged or cut"),
        (cut(lossless(moving(20))), "cut"),
    ],
)
def test_what_is_no_whole_video_is_refused(blend: module.VideoRequests, video: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        made(blend, video)
    assert refused.value.field == "video"


def test_an_mp4_that_was_cut_is_refused_with_what_is_missing(blend: module.VideoRequests) -> None:
    """Its index stands before the frames, so that what is there can be read."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as container:
        stream: Any = container.add_stream("libx264", rate=10, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for pixels in moving(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    with pytest.raises(InvalidInputError, match="cut"):
        made(blend, cut(sink.getvalue())[:-7])


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_video_bytes": 100}, "bytes; the limit is 100"),
        ({"max_video_pixels": 3000}, r"frames of 64 × 48 pixels, 3,072 in all; the limit is 3,000"),
        ({"max_video_frames": 4}, "more than 4 frames, which is the limit"),
        ({"max_video_frames": 8}, "would become one of more than 8 frames"),
    ],
)
def test_each_limit_is_named(blend: module.VideoRequests, limits: dict[str, int], words: str) -> None:
    requests = module.VideoRequests(blend.model, replace(LIMITS, **limits))
    with pytest.raises(InvalidInputError, match=words):
        made(requests, lossless(moving(5)))


def test_a_header_of_too_many_frames_is_refused_before_one_is_read(blend: module.VideoRequests) -> None:
    _, mp4 = made(blend, lossless(moving(5)))
    for most, words in ((8, "more than 8 frames"), (16, "9 frames and would become one of 17; the limit is 16")):
        with pytest.raises(InvalidInputError, match=words):
            module.VideoRequests(blend.model, replace(LIMITS, max_video_frames=most)).prepare(message(mp4))


def test_what_a_graph_of_the_middle_cannot_do_is_refused_by_name(halving: module.VideoRequests) -> None:
    for field, fields in (("factor", {"factor": 6}), ("frames_per_second", {"frames_per_second": 30.0})):
        with pytest.raises(InvalidInputError) as refused:
            made(halving, lossless(moving(2)), **fields)
        assert refused.value.field == field


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"second": "other"}, "describes the inputs first, other, timestep; the graph takes first, second, timestep"),
        ({"layout": "NHWC", "height": 8, "width": 5}, "makes `first` of 1 × 8 × 5 × 3; the graph takes 1 × 3 × 8 × 5"),
    ],
)
def test_a_description_of_another_graph_is_refused_when_it_is_loaded(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(PreconditionError, match=words):
        served(write_blend(tmp_path / "model", **given), TASK, "cpu", "onnx")
