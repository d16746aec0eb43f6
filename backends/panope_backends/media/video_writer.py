"""Frames to video files, by FFmpeg's libraries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.media.audio import import_av
from panope_backends.media.video_reader import Coloring, Pixels


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of file is written: a codec of FFmpeg, its options, the longest side, and what sound it may hold."""

    codec: str
    options: dict[str, str]
    max_side: int
    sound: frozenset[str]


#: With several threads one in ten files was another (x264, 64 × 64 pixels).
_KINDS = {
    "mp4": _Kind(
        "libx264",
        {"crf": "18", "preset": "medium", "threads": "1"},
        16_384,
        frozenset({"aac", "mp3", "mp3float", "alac", "ac3", "eac3", "opus", "libopus", "flac"}),
    ),
    "webm": _Kind(
        "libvpx-vp9",
        {"crf": "24", "b": "0", "threads": "1"},
        65_535,
        frozenset({"opus", "libopus", "vorbis", "libvorbis"}),
    ),
}

VIDEO_KINDS = tuple(_KINDS)
"""What can be written."""

MAX_SIDES = {kind: how.max_side for kind, how in _KINDS.items()}
"""Pixels that a frame may have on a side, by the kind of file."""


class TimesError(Exception):
    """A file has no room for the times of a frame or of sound: they are too far apart, too late, or go back."""


class VideoWriter:
    """A file that is written frame by frame; the same frames make the same file.

    Args:
        sink: what it is written to, which can seek.
        kind: one of `VIDEO_KINDS`.
        size: width and height; one that is odd has its colours in full where the codec needs even ones.
        rate: frames that are shown in a second, about.
        time_base: seconds of a tick; absent where each frame is one tick.
        aspect: of a pixel as it is shown.
        coloring: what the numbers of colours mean; none for what is said nowhere.
        audio: the stream whose packets are copied; None for no sound.

    Attributes:
        has_audio: whether the file can hold that sound.

    Every method raises TimesError for times that the file has no room for.

    Raises:
        PreconditionError: the package `av` is not installed.
    """

    def __init__(
        self,
        sink: IO[bytes],
        kind: str,
        size: tuple[int, int],
        rate: Fraction,
        *,
        time_base: Fraction | None = None,
        aspect: Fraction = Fraction(1),
        coloring: Coloring | None = None,
        audio: Any = None,
    ) -> None:
        self._av = import_av()
        how = _KINDS[kind]
        is_odd = any(side % 2 for side in size)
        self._format = "yuv444p" if is_odd and kind == "mp4" else "yuv420p"
        self._coloring = coloring
        self._container = self._av.open(sink, "w", format=kind, options={"fflags": "bitexact"})
        self._stream: Any = self._container.add_stream(how.codec, rate=rate, options=how.options)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = self._format
        codec = self._stream.codec_context
        if time_base is not None:
            codec.time_base = time_base
        if aspect != 1:
            codec.sample_aspect_ratio = aspect
        if coloring is not None:
            codec.colorspace, codec.color_primaries = coloring.space, coloring.primaries
            codec.color_trc = coloring.transfer
        self._sound: Any = None
        if audio is not None and audio.codec_context is not None and audio.codec_context.name in how.sound:
            self._sound = self._container.add_stream_from_template(audio)
        self.has_audio = self._sound is not None

    def add(self, pixels: Pixels, ticks: int | None = None) -> None:
        """Adds the next frame.

        Args:
            pixels: of it.
            ticks: when it is shown; absent for one tick after the one before.
        """
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        if self._coloring is not None:
            frame = frame.reformat(format=self._format, dst_colorspace=self._coloring.space)
        with self._times():
            frame.pts = ticks
            self._container.mux(self._stream.encode(frame))

    def add_audio(self, packet: Any) -> None:
        """Adds a packet of the sound; it is left out where the file cannot hold it."""
        if self._sound is not None:
            packet.stream = self._sound
            with self._times():
                self._container.mux(packet)

    def close(self) -> None:
        """Writes what is left, and the end of the file."""
        with self._times():
            self._container.mux(self._stream.encode())
            self._container.close()

    @contextmanager
    def _times(self) -> Iterator[None]:
        """Where FFmpeg is given times; it looks at them when it writes what it has kept back, too."""
        found = self._av.error
        try:
            yield
        except (OverflowError, found.ArgumentError, found.PatchWelcomeError) as error:
            raise TimesError from error

    def abandon(self) -> None:
        """Frees what was written so far."""
        self._container.close()


def video_file(
    frames: Iterable[NDArray[np.uint8]], size: tuple[int, int], frames_per_second: Fraction, kind: str
) -> bytes:
    """A file of frames without sound; the same frames make the same file.

    Args:
        frames: height × width × 3, in RGB, one after another.
        size: width and height.
        frames_per_second: at which they are shown.
        kind: one of `VIDEO_KINDS`.

    Raises:
        PreconditionError: the package `av` is not installed.
    """
    sink = BytesIO()
    writer = VideoWriter(sink, kind, size, frames_per_second)
    for pixels in frames:
        writer.add(pixels)
    writer.close()
    return sink.getvalue()
