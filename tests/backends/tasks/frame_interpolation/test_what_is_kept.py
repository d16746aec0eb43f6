"""What a video keeps: its size, its sound, how it is turned, its colours."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.backends.tasks.frame_interpolation.interpolating import assert_alike, made, requests_of
from tests.backends.tasks.frame_interpolation.videos import Pixels, lossless, moving, shown
from tests.frame_graphs import write_blend

from panope_backends.media.video_reader import Coloring
from panope_backends.media.video_writer import VideoWriter
from panope_backends.tasks.frame_interpolation import module


@pytest.mark.parametrize(("width", "height"), [(63, 47), (65, 48), (2, 2)])
@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_odd_sides_are_kept(tmp_path: Path, width: int, height: int, kind: str) -> None:
    requests = requests_of(write_blend(tmp_path / "model", multiple_of=32))
    frames = [np.full((height, width, 3), 40 * at + 40, np.uint8) for at in range(3)]
    last, file = made(requests, lossless(frames), output_format=kind)
    assert (last.piece.width, last.piece.height) == (width, height)
    assert_alike([pixels for _, pixels in shown(file)], [np.full_like(frames[0], 40 + 20 * at) for at in range(5)], 3)


@pytest.mark.parametrize(
    ("sound", "kind", "kept"), [("aac", "mp4", True), ("libopus", "webm", True), ("aac", "webm", False)]
)
def test_sound_is_copied_where_the_file_can_hold_it(
    blend: module.VideoRequests, sound: str, kind: str, kept: bool
) -> None:
    video = lossless(moving(6), sound=sound)
    last, file = made(blend, video, output_format=kind)
    assert last.piece.has_audio is kept
    with av.open(io.BytesIO(video)) as before, av.open(io.BytesIO(file)) as after:
        assert len(after.streams.audio) == int(kept)
        if kept:
            packets = [[bytes(packet) for packet in each.demux(audio=0) if packet.size] for each in (before, after)]
            assert packets[0] == packets[1]


def test_frames_are_turned_as_the_file_says(blend: module.VideoRequests, written: list[tuple[int, Pixels]]) -> None:
    upright, file = moving(2, 64, 32), bytearray(made(blend, lossless(moving(2, 64, 32)))[1])
    at = file.index(b"tkhd") + 4 + 40  # the matrix of the track's header
    matrix = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]  # a quarter to the right
    file[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    written.clear()
    last, turned = made(blend, bytes(file))
    assert (last.piece.width, last.piece.height) == (32, 64)
    assert_alike([written[0][1]], [np.rot90(upright[0], -1)], 40)
    assert shown(turned)[0][1].shape == (64, 32, 3)


def test_colours_are_those_of_the_file(blend: module.VideoRequests, written: list[tuple[int, Pixels]]) -> None:
    color = np.full((32, 32, 3), (200, 30, 90), np.uint8)
    sink = io.BytesIO()
    writer = VideoWriter(sink, "mp4", (32, 32), Fraction(10), coloring=Coloring(1, 1, 1))  # BT.709, as HD has it
    for _ in range(2):
        writer.add(color)
    writer.close()
    _, file = made(blend, sink.getvalue())
    assert_alike([pixels for _, pixels in written], [color] * 3, 3)
    with av.open(io.BytesIO(file)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1)
        assert_alike([frame.to_ndarray(format="rgb24")], [color], 5)
