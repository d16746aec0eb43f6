"""Videos as bytes to frames, one after another, and the packets of their sound as they are.

As of audio, the kind of a file is told by its first bytes alone, each kind has one demuxer of FFmpeg, only decoders
that are listed run, and nothing else is read than the bytes that were given. Frames come in the order in which they are
shown, turned as their display matrix says; no more of them are decoded than are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.errors import InvalidInputError
from panope_backends.media.audio import import_av
from panope_backends.media.limits import MediaLimits
from panope_backends.media.matroska_headers import refuse_large_headers
from panope_backends.media.mp4_tables import refuse_endless_tables

Pixels = NDArray[np.uint8]
"""Height × width × 3, in RGB."""

#: FFmpeg's demuxers, by the kind of file.
_DEMUXERS = {"mp4": "mov", "webm": "matroska", "avi": "avi"}

#: The formats of files in words, as the documentation has them.
_NAMES = "MP4, MOV, WebM, Matroska and AVI"

_DECODERS = frozenset(
    {
        *("h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores", "ffv1", "rawvideo", "dnxhd"),
        *("vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d"),
    }
)

#: The length in the header of a Matroska file, as its number and the number of its bytes; recordings have none.
_MATROSKA_LENGTH = (b"\x44\x89\x84", b"\x44\x89\x88")
_MATROSKA_HEADER = 4096
_SECONDS_MISSING = Fraction(1, 4)

#: Pixels that a decoder may take memory for, by those that a frame may have: a little too many are told by number.
_DECODED_PIXELS = 4

#: Where a file says nothing of it.
_USUAL_RATE = Fraction(25)
_MOST_RATE = 1000
_MOST_DENOMINATOR = 100_000


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame as it is shown.

    Attributes:
        pixels: of it.
        ticks: when it is shown, in units of `VideoReader.time_base`.
    """

    pixels: Pixels
    ticks: int


@dataclass(frozen=True, slots=True)
class Coloring:
    """What the numbers of a video's colours mean, in FFmpeg's terms; 2 or 0 where it says nothing."""

    space: int
    primaries: int
    transfer: int


def sniff_video(data: bytes) -> str:
    """The kind of video that bytes begin as, such as `mp4`; empty for none that is read here."""
    head = data[:16]
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return "mp4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "webm"
    return "avi" if head[:4] == b"RIFF" and head[8:12] == b"AVI " else ""


class VideoReader:
    """A video, read from its beginning to its end, once.

    Args:
        data: the file's bytes.
        limits: what it may be.
        field: of the request, for errors.

    Attributes:
        time_base: seconds of a tick.
        rate: frames that are shown in a second, on average.
        frames: that the header tells of; 0 where it does not.
        aspect: of a pixel as it is shown, width to height.
        coloring: of its frames.
        audio: the stream of its sound, for a writer that copies it; None without any.

    Raises:
        InvalidInputError: it is empty, of another kind, damaged, or over a limit.
        PreconditionError: the package `av` is not installed.
    """

    def __init__(self, data: bytes, limits: MediaLimits, field: str = "video") -> None:
        if not data:
            raise InvalidInputError.at(field, "{field} is empty")
        if len(data) > limits.max_video_bytes:
            raise InvalidInputError.at(
                field,
                "{field} has {size:,} bytes; the limit is {limit:,}",
                size=len(data),
                limit=limits.max_video_bytes,
            )
        self._kind, self._field, self._limits = sniff_video(data), field, limits
        # Where a header says how long the file is, less is a file that was cut.
        self._tells_length = self._kind == "mp4" or any(mark in data[:_MATROSKA_HEADER] for mark in _MATROSKA_LENGTH)
        if not self._kind:
            raise InvalidInputError.at(
                field, "{field} is no video that can be read; the formats that are read are {names}", names=_NAMES
            )
        if self._kind == "mp4":
            refuse_endless_tables(data, field)
        elif self._kind == "webm":
            refuse_large_headers(data, field)
        self._av = import_av()
        self._shape: tuple[int, ...] = ()
        try:
            self._container = self._av.open(
                BytesIO(data),
                format=_DEMUXERS[self._kind],
                options={"protocol_whitelist": "none", "format_whitelist": _DEMUXERS[self._kind]},
                metadata_errors="ignore",
            )
        except (self._av.error.FFmpegError, ValueError, OverflowError) as error:
            raise self._damaged() from error
        try:
            self._describe()
        except BaseException:
            self._container.close()
            raise

    def _describe(self) -> None:
        stream = self._stream = self._video_stream()
        codec = stream.codec_context
        codec.thread_count = 1  # with more, each thread holds frames
        # A frame may be larger than the header says, and its memory is taken before it can be measured here.
        codec.options = {"max_pixels": str(_DECODED_PIXELS * self._limits.max_video_pixels)}
        self.time_base = Fraction(stream.time_base or Fraction(1, 1000))
        rate = Fraction(stream.average_rate or stream.guessed_rate or 0).limit_denominator(_MOST_DENOMINATOR)
        self.rate = rate if 0 < rate <= _MOST_RATE else _USUAL_RATE
        self.frames = max(0, stream.frames)
        self.aspect = Fraction(codec.sample_aspect_ratio or 0) or Fraction(1)
        self.coloring = Coloring(int(codec.colorspace), int(codec.color_primaries), int(codec.color_trc))
        self.audio: Any = next(iter(self._container.streams.audio), None)
        self._check_pixels(codec.width, codec.height)
        self._check_count(self.frames)

    def close(self) -> None:
        """Frees the file; nothing may read it meanwhile."""
        self._container.close()

    def parts(self) -> Iterator[TimedFrame | Any]:
        """Each frame in its order, and each packet of sound as the file has it; None for what shows nothing.

        So between two parts no more is read than one frame, however many a file has that are never shown.

        Raises:
            InvalidInputError: the file is damaged or cut, a frame is of another size than the first, or it has more
                frames than the limit.
        """
        try:
            yield from self._parts()
        except (self._av.error.FFmpegError, ValueError, OverflowError) as error:  # FFmpeg's words are not for callers
            raise self._damaged() from error

    def _parts(self) -> Iterator[TimedFrame | Any]:
        count, last, end = 0, -1, Fraction(0)
        for packet in self._container.demux():
            if packet.pts is not None and packet.time_base:
                end = max(end, (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base))
            if packet.stream is not self._stream:
                is_sound = packet.stream is self.audio and packet.size and packet.dts is not None
                yield packet if is_sound else None
                continue
            frames = packet.decode()
            if packet.size and not frames:
                yield None
            for frame in frames:
                count += 1
                self._check_count(count)
                ticks = last + self._usual_ticks() if frame.pts is None else frame.pts
                if count > 1 and ticks <= last:
                    yield None  # it is shown for no time
                    continue
                last = ticks
                yield TimedFrame(self._pixels(frame, count), ticks)
        self._check_end(count, end)

    def _pixels(self, frame: Any, count: int) -> Pixels:
        if frame.is_corrupt:
            raise self._damaged()
        self._check_pixels(frame.width, frame.height)
        pixels: Pixels = frame.to_ndarray(format="rgb24")
        if turns := round(frame.rotation / 90) % 4:
            pixels = np.ascontiguousarray(np.rot90(pixels, turns))
            if count == 1 and turns % 2:
                self.aspect = 1 / self.aspect
        self._shape = self._shape or pixels.shape
        if pixels.shape != self._shape:
            raise InvalidInputError.at(
                self._field,
                "{field}: frame {number:,} has {width:,} × {height:,} pixels, and those before had another size",
                number=count,
                width=pixels.shape[1],
                height=pixels.shape[0],
            )
        return pixels

    def _usual_ticks(self) -> int:
        """Between two frames, where a file tells no times."""
        return max(1, round(1 / self.rate / self.time_base))

    def _video_stream(self) -> Any:
        if not self._container.streams.video:
            raise InvalidInputError.at(self._field, "{field} has no video in it")
        stream = self._container.streams.video[0]
        if stream.codec_context is None or stream.codec_context.name not in _DECODERS:
            raise InvalidInputError.at(self._field, "{field} holds a video in a form that is not read here")
        return stream

    def _check_pixels(self, width: int, height: int) -> None:
        limit = self._limits.max_video_pixels
        if width * height > limit:
            raise InvalidInputError.at(
                self._field,
                "{field} has frames of {width:,} × {height:,} pixels, {count:,} in all; the limit is {limit:,}",
                width=width,
                height=height,
                count=width * height,
                limit=limit,
            )

    def _check_count(self, count: int) -> None:
        limit = self._limits.max_video_frames
        if count > limit:
            raise InvalidInputError.at(
                self._field, "{field} has more than {limit:,} frames, which is the limit", limit=limit
            )

    def _check_end(self, count: int, end: Fraction) -> None:
        if not count:
            raise InvalidInputError.at(self._field, "{field} has no frames that can be read")
        unit = self._av.time_base
        declared = Fraction(self._container.duration or 0, unit)
        seconds = end - Fraction(self._container.start_time or 0, unit)
        if self._tells_length and seconds < min(declared * Fraction(98, 100), declared - _SECONDS_MISSING):
            raise InvalidInputError.at(
                self._field,
                "{field} is cut: it says to have {declared:.1f} seconds, and {seconds:.1f} are there",
                declared=float(declared),
                seconds=float(seconds),
            )

    def _damaged(self) -> InvalidInputError:
        return InvalidInputError.at(
            self._field, "{field} begins as {kind} and cannot be decoded: it is damaged or cut", kind=self._kind
        )
