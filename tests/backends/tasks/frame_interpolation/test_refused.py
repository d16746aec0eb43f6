"""What is refused of videos, fields and graphs."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.backends.tasks.frame_interpolation.interpolating import LIMITS, TASK, made, message
from tests.backends.tasks.frame_interpolation.videos import Pixels, lossless, moving
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


def with_sound_that_goes_back(video: bytes) -> bytes:
    """The blocks of the second track of a Matroska file, each told to be shown before the one before."""
    data, at, time = bytearray(video), 0, 3000
    while (at := data.find(b"\x82", at + 1)) > 0:
        if data[at - 2] == 0xA3 or data[at - 3] == 0xA3:  # a block, behind its length
            data[at + 1 : at + 3] = time.to_bytes(2, "big")
            time -= 10
    assert time < 3000
    return bytes(data)


@pytest.mark.parametrize(
    ("video", "fields"),
    [
        (lossless(moving(2), ticks=[0, 1 << 31]), {"factor": 16}),
        (lossless(moving(2), ticks=[1 << 60, (1 << 60) + 40]), {"factor": 16}),
        (lossless(moving(2), ticks=[1 << 60, (1 << 60) + 40]), {"frames_per_second": 240.0}),
        (with_sound_that_goes_back(lossless(moving(12), sound="aac")), {}),
        (with_sound_that_goes_back(lossless(moving(12), sound="libopus")), {"output_format": "webm"}),
    ],
    ids=["far apart", "late", "late at a rate", "sound that goes back", "the same in webm"],
)
def test_times_that_a_file_has_no_room_for_are_the_callers_fault(
    blend: module.VideoRequests, video: bytes, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError, match="has times, of its frames or of its sound") as refused:
        made(blend, video, **fields)
    assert refused.value.field == "video"


@pytest.mark.parametrize(("kind", "side"), [("mp4", 16_386), ("webm", 65_538)])
def test_sides_that_a_file_has_no_room_for_are_refused_by_its_kind(
    blend: module.VideoRequests, kind: str, side: int
) -> None:
    with pytest.raises(InvalidInputError, match=f"`{kind}` files take at most"):
        made(blend, lossless([np.zeros((2, side, 3), np.uint8)]), output_format=kind)


def test_a_gap_that_would_hold_too_many_frames_is_refused_before_one_is_made(
    blend: module.VideoRequests, written: list[tuple[int, Pixels]]
) -> None:
    with pytest.raises(InvalidInputError, match="more than 36,000 frames"):
        made(blend, lossless(moving(2), ticks=[0, 1 << 31]), frames_per_second=1.0)
    assert not written


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
