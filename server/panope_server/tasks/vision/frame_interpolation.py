"""Task `frame-interpolation`: a video to one with more frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from panope.worker.v1 import frame_interpolation_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import Field, InvalidInputError
from panope_backends.graphs.frame_times import check_frame_times
from panope_server.config import Limits
from panope_server.tasks import samples
from panope_server.tasks.links import Link
from panope_server.tasks.task import Input, Output, Task, Usage, Workload
from panope_server.tasks.validation import check_range, check_word
from panope_server.tasks.vision.video_generation import Video, VideoFormat
from panope_server.tasks.vision.videos import check_video_size
from panope_server.tasks.workload import SingleWorkload

MIN_FACTOR, MAX_FACTOR = 2, 16
MAX_FRAMES_PER_SECOND = 240

#: Bytes of a video that cost about what a token of text does: compressed, each stands for some twenty pixels.
_BYTES_OF_UNIT = 16


@dataclass(slots=True)
class FrameInterpolationInput(Input):
    """A video to make more frames of.

    Attributes:
        video: the file.
        factor: how many for each that there was; 0 for 2, or where `frames_per_second` says it.
        frames_per_second: how many are shown in a second; 0 where `factor` says it.
        output_format: of the new file.
        url: where the file is, or what holds it, until it was fetched; empty where the file itself came.
    """

    video: bytes
    factor: int = 0
    frames_per_second: float = 0.0
    output_format: VideoFormat = "mp4"
    url: str = ""


@dataclass(slots=True)
class FrameProgress:
    """How many frames of the new video there are, and will be; 0 where the given one does not say."""

    frames: int
    total_frames: int


@dataclass(slots=True)
class FrameInterpolationOutput(Output):
    """A part of an answer says how far it is or has a piece of the file, the whole answer the file."""

    progress: FrameProgress | None = None
    video: Video | None = None


class FrameInterpolationTask(Task[FrameInterpolationInput, FrameInterpolationOutput]):
    """A video to one with more frames, frame by frame."""

    name = "frame-interpolation"
    input_type = FrameInterpolationInput
    input_unit = "bytes"
    output_unit = "bytes"
    # As of videos that are generated, nobody says whether two are alike.
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload(
            "frame-interpolation-3-frames", lambda number, _: FrameInterpolationInput(samples.video(number)), items=2
        ),
    )

    def encode(self, task_input: FrameInterpolationInput) -> bytes:
        """Everything."""
        rate = task_input.frames_per_second
        return messages.FrameInterpolationInput(
            video=task_input.video,
            factor=0 if rate else task_input.factor or MIN_FACTOR,
            frames_per_second=rate,
            output_format=task_input.output_format,
        ).SerializeToString()

    def decode(self, data: bytes) -> FrameInterpolationOutput:
        """How far it is, or a piece."""
        message = messages.FrameInterpolationOutput.FromString(data)
        if not message.HasField("piece"):
            told = message.progress
            return FrameInterpolationOutput(FrameProgress(told.frames, told.total_frames))
        piece = message.piece
        video = Video(
            piece.content,
            piece.width,
            piece.height,
            piece.frames,
            piece.frames_per_second,
            has_audio=piece.has_audio,
        )
        return FrameInterpolationOutput(video=video)

    def work(self, task_input: FrameInterpolationInput, items: int, size_bytes: int) -> int:
        """By the bytes of the file, each frame of which is looked at for every new one."""
        del items
        return max(1, size_bytes // _BYTES_OF_UNIT) * max(1, (task_input.factor or MIN_FACTOR) - 1)

    def timeout_setting(self) -> str:
        """That of what is generated: each frame is told."""
        return "generation_timeout_seconds"

    def links(self, task_input: FrameInterpolationInput) -> Sequence[Link]:
        """Where the video is; none where it is there."""

        def put(content: bytes) -> None:
            task_input.video, task_input.url = content, ""

        return (Link(task_input.url, "video", "video", put),) if task_input.url else ()

    def validate(self, task_input: FrameInterpolationInput, limits: Limits) -> None:
        """Checks every field; what the file holds, the worker sees."""
        check_video_size(len(task_input.video), limits)
        if not task_input.video and not task_input.url:
            raise InvalidInputError.at("video", "{field} is empty")
        rate = task_input.frames_per_second
        if rate and task_input.factor:
            raise InvalidInputError.at(
                "frames_per_second", "{field} and {factor} say two things; give one", factor=Field("factor")
            )
        if task_input.factor:
            check_range(task_input, "factor", MIN_FACTOR, MAX_FACTOR)
        if rate and not (math.isfinite(rate) and 1 <= rate <= MAX_FRAMES_PER_SECOND):
            raise InvalidInputError.at(
                "frames_per_second", "{field} must be at least 1 and at most {most}", most=MAX_FRAMES_PER_SECOND
            )
        check_word(task_input.output_format, "output_format", get_args(VideoFormat))

    def facts_of(self, ready: wire.Ready) -> messages.FrameInterpolationFacts:
        """Which frames the model can make."""
        return messages.FrameInterpolationFacts.FromString(ready.facts)

    def check(self, task_input: FrameInterpolationInput, facts: object) -> None:
        """Refuses frames that a graph which is loaded does not make, so that no job is accepted for them."""
        if isinstance(facts, messages.FrameInterpolationFacts):
            check_frame_times(task_input.factor, task_input.frames_per_second, takes_timestep=facts.takes_timestep)

    def input_units(self, task_input: FrameInterpolationInput) -> int:
        """The bytes of the file."""
        return len(task_input.video)

    def usage(self, output: FrameInterpolationOutput) -> Usage:
        """The bytes of a piece."""
        return Usage(0, len(output.video.content) if output.video is not None else 0)

    def join(self, parts: Sequence[FrameInterpolationOutput]) -> FrameInterpolationOutput:
        """The file."""
        pieces = [part.video for part in parts if part.video is not None]
        last = pieces[-1]
        content = b"".join(piece.content for piece in pieces)
        return FrameInterpolationOutput(
            video=Video(content, last.width, last.height, last.frames, last.frames_per_second, has_audio=last.has_audio)
        )
