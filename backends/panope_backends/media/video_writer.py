"""Frames to video files, by FFmpeg's libraries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.media.audio import import_av


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of file is written: a codec of FFmpeg, and its options."""

    codec: str
    options: dict[str, str]


#: With several threads one in ten files was another (x264, 64 × 64 pixels).
_KINDS = {
    "mp4": _Kind("libx264", {"crf": "18", "preset": "medium", "threads": "1"}),
    "webm": _Kind("libvpx-vp9", {"crf": "24", "b": "0", "threads": "1"}),
}

VIDEO_KINDS = tuple(_KINDS)
"""What can be written."""


def video_file(
    frames: Iterable[NDArray[np.uint8]], size: tuple[int, int], frames_per_second: Fraction, kind: str
) -> bytes:
    """A file of frames without sound; the same frames make the same file.

    Args:
        frames: height × width × 3, in RGB, one after another.
        size: width and height, both even.
        frames_per_second: at which they are shown.
        kind: one of `VIDEO_KINDS`.

    Raises:
        PreconditionError: the package `av` is not installed.
    """
    av = import_av()
    how, sink = _KINDS[kind], BytesIO()
    with av.open(sink, "w", format=kind, options={"fflags": "bitexact"}) as container:
        stream: Any = container.add_stream(how.codec, rate=frames_per_second, options=how.options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode())
    return sink.getvalue()
