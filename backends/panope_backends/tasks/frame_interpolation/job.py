"""One video on its way: read, given more frames, and written, a frame at a time."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Generator, Iterator
from fractions import Fraction
from typing import Any

from panope.worker.v1 import frame_interpolation_pb2 as messages
from panope.worker.v1.video_generation_pb2 import VideoPiece
from panope_backends.errors import InvalidInputError
from panope_backends.media.video_reader import Pixels, TimedFrame, VideoReader
from panope_backends.media.video_writer import MAX_SIDES, TimesError, VideoWriter
from panope_backends.tasks.frame_interpolation.between import HALF, FramesBetween
from panope_backends.tasks.frame_interpolation.timeline import Timeline
from panope_backends.tasks.task import DeviceJob

#: Of one part of an answer.
PIECE_BYTES = 1 << 20

PARTS_OF_STEP = 16
"""Of a file, that one step reads at most where none is a frame: packets of sound, and frames that are never shown."""

_MESSAGE = messages.FrameInterpolationOutput


class InterpolationJob(DeviceJob):
    """Tells of each frame of the new video, and then gives the file.

    Two frames of the video that is read are in memory, and those between them that others are made of; the new file
    lies on the disk, without a name.

    Args:
        model: makes frames.
        reader: of the video; it is the job's to close.
        timeline: which frames there are.
        output_format: of the file.
        max_frames: of the new video.
    """

    def __init__(
        self, model: FramesBetween, reader: VideoReader, timeline: Timeline, output_format: str, max_frames: int
    ) -> None:
        self._model, self._reader, self._timeline = model, reader, timeline
        self._format, self._max_frames = output_format, max_frames
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the job
        self._writer: VideoWriter | None = None
        self._made: dict[Fraction, Pixels] = {}
        self._early_audio: list[Any] = []
        self._size = 0, 0
        self._count = 0
        self._parts = self._run()
        self._running = threading.Lock()
        self._is_closed = False

    def step(self) -> tuple[bytes, bool]:
        """A frame, or a piece of the file."""
        with self._running:
            try:
                return (b"", True) if self._is_closed else next(self._parts)
            except TimesError as error:
                raise self._no_room() from error
            finally:
                if self._is_closed:
                    self._free()

    def close(self) -> None:
        """Frees the files, once a step that runs has ended."""
        self._is_closed = True
        if self._running.acquire(blocking=False):
            try:
                self._free()
            finally:
                self._running.release()

    def _free(self) -> None:
        """May be called twice."""
        self._parts.close()
        self._made.clear()
        if self._writer is not None:
            with contextlib.suppress(Exception):  # an end of a file that nobody reads
                self._writer.abandon()
        self._reader.close()
        self._file.close()

    def _run(self) -> Generator[tuple[bytes, bool]]:
        yield from ((told, False) for told in self._interpolated())
        assert self._writer is not None  # a video has at least one frame
        self._writer.close()
        yield from self._pieces(self._writer.has_audio)

    def _interpolated(self) -> Iterator[bytes]:
        """A message for each frame that was written."""
        before: TimedFrame | None = None
        unseen = 0
        for part in self._reader.parts():
            if not isinstance(part, TimedFrame):
                if part is not None:
                    self._add_audio(part)
                unseen += 1
                if unseen % PARTS_OF_STEP == 0:
                    yield self._progress()
                continue
            if before is None:
                self._begin(part.pixels)
            else:
                told = self._count
                yield from self._between(before, part)
                if self._count == told:
                    yield self._progress()  # so that no step reads more than a frame
            before = part
        assert before is not None  # or the reader has raised
        for ticks, _ in self._timeline.last(before.ticks):
            yield self._write(before.pixels, ticks)

    def _begin(self, pixels: Pixels) -> None:
        height, width = pixels.shape[:2]
        self._model.check_size(height, width, "video")
        if max(height, width) > (most := MAX_SIDES[self._format]):
            raise InvalidInputError.at(
                "video",
                "{field} has frames of {width:,} × {height:,} pixels; `{kind}` files take at most {most:,} on a side",
                width=width,
                height=height,
                kind=self._format,
                most=most,
            )
        self._size = width, height
        reader, timeline = self._reader, self._timeline
        self._writer = VideoWriter(
            self._file,
            self._format,
            self._size,
            timeline.rate,
            time_base=timeline.time_base,
            aspect=reader.aspect,
            coloring=reader.coloring,
            audio=reader.audio,
        )
        for packet in self._early_audio:
            self._writer.add_audio(packet)
        self._early_audio.clear()

    def _add_audio(self, packet: Any) -> None:
        """Copies sound; what comes before the first frame, whose size the file begins with, waits for it."""
        if self._writer is None:
            self._early_audio.append(packet)
        else:
            self._writer.add_audio(packet)

    def _between(self, first: TimedFrame, second: TimedFrame) -> Iterator[bytes]:
        self._made.clear()
        self._check_count(self._count + self._timeline.count(first.ticks, second.ticks))
        for ticks, part in self._timeline.between(first.ticks, second.ticks):
            yield self._write(self._frame(first.pixels, second.pixels, part), ticks)

    def _frame(self, first: Pixels, second: Pixels, part: Fraction) -> Pixels:
        """That which is so far between two."""
        if part and self._model.takes_timestep:
            return self._model.between(first, second, part)
        return self._halved(first, second, part)

    def _halved(self, first: Pixels, second: Pixels, part: Fraction) -> Pixels:
        """The same of a graph that makes the frame in the middle alone: between those on both sides, which are kept."""
        if part in (0, 1):
            return second if part else first
        if part not in self._made:
            distance = Fraction(1, part.denominator)
            sides = [self._halved(first, second, side) for side in (part - distance, part + distance)]
            self._made[part] = self._model.between(sides[0], sides[1], HALF)
        return self._made[part]

    def _write(self, pixels: Pixels, ticks: int) -> bytes:
        assert self._writer is not None
        self._check_count(self._count + 1)
        self._writer.add(pixels, ticks)
        self._count += 1
        return self._progress()

    def _check_count(self, count: int) -> None:
        if count > self._max_frames:
            raise InvalidInputError.at(
                "video",
                "{field} would become one of more than {limit:,} frames, which is the limit",
                limit=self._max_frames,
            )

    def _no_room(self) -> InvalidInputError:
        return InvalidInputError.at(
            "video",
            "{field} has times, of its frames or of its sound, that `{kind}` files cannot hold: they are too late, too"
            " far apart, or go back",
            kind=self._format,
        )

    def _progress(self) -> bytes:
        total = self._timeline.total(self._reader.frames)
        return _MESSAGE(
            progress=messages.FrameInterpolationProgress(
                frames=self._count, total_frames=max(total, self._count) if total else 0
            )
        ).SerializeToString()

    def _pieces(self, has_audio: bool) -> Iterator[tuple[bytes, bool]]:
        rest = self._file.seek(0, 2)
        self._file.seek(0)
        width, height = self._size
        while rest:
            content = self._file.read(PIECE_BYTES)
            rest -= len(content)
            piece = VideoPiece(
                content=content,
                width=width,
                height=height,
                frames=self._count,
                frames_per_second=float(self._timeline.rate),
                has_audio=has_audio,
            )
            yield _MESSAGE(piece=piece).SerializeToString(), not rest
