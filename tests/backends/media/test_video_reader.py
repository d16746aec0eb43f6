"""Videos whose frames are not what their headers say."""

from __future__ import annotations

import io
from typing import Any

import av
import av.error
import pytest
from tests.backends.tasks.frame_interpolation.videos import lossless, moving

from panope_backends.errors import InvalidInputError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.video_reader import VideoReader


def film(width: int, height: int) -> bytes:
    """A VP9 file of 64 × 48 pixels, whose later frames say to have another size."""
    first, sink = io.BytesIO(), io.BytesIO()
    with av.open(first, "w", format="webm") as container, av.open(io.BytesIO(lossless(moving(4)))) as given:
        stream: Any = container.add_stream("libvpx-vp9", rate=10, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in given.decode(video=0):
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    with av.open(io.BytesIO(first.getvalue())) as given, av.open(sink, "w", format="webm") as container:
        copied = container.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux()):
            if packet.size:
                made = av.Packet(resized(bytes(packet), width, height) if number > 1 else bytes(packet))
                made.stream, made.pts, made.dts, made.time_base = copied, packet.pts, packet.dts, packet.time_base
                made.is_keyframe = True
                container.mux(made)
    return sink.getvalue()


def resized(frame: bytes, width: int, height: int) -> bytes:
    """The sizes stand behind 36 bits of a key frame, each less one, in 16 bits."""
    place = 128 - 36 - 32
    bits = int.from_bytes(frame[:16], "big") & ~(0xFFFFFFFF << place)
    return (bits | ((width - 1) << 16 | (height - 1)) << place).to_bytes(16, "big") + frame[16:]


def read(data: bytes, limits: MediaLimits) -> int:
    reader = VideoReader(data, limits)
    try:
        return sum(part is not None for part in reader.parts())
    finally:
        reader.close()


def test_a_frame_far_larger_than_the_header_says_takes_no_memory() -> None:
    limits = MediaLimits(max_video_pixels=64 * 48)
    assert read(film(64, 48), limits) == 4
    with pytest.raises(InvalidInputError, match="damaged or cut") as refused:
        read(film(4000, 3000), limits)
    # A decoder that takes the memory first finds afterwards that the frame is damaged.
    assert isinstance(refused.value.__cause__, av.error.ArgumentError)


def test_what_is_no_video_is_told_the_formats_by_their_names() -> None:
    with pytest.raises(InvalidInputError, match="are read are MP4, MOV, WebM, Matroska and AVI"):
        VideoReader(b"hello, I am no video", MediaLimits())
