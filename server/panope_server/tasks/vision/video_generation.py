"""Task `video-generation`: a text, and perhaps an image, to a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from panope.worker.v1 import video_generation_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_server.config import Limits
from panope_server.tasks.links import Link
from panope_server.tasks.task import Input, Output, Task, Usage, Workload
from panope_server.tasks.validation import check_range, check_word
from panope_server.tasks.vision.diffusion_fields import check_drawing
from panope_server.tasks.vision.diffusion_spec import DiffusionSpec, diffusion_spec_of
from panope_server.tasks.vision.image_generation import Progress
from panope_server.tasks.vision.images import PIXELS_OF_UNIT, Image, check_image, image_messages
from panope_server.tasks.workload import SingleWorkload, text_of

VideoFormat = Literal["mp4", "webm"]

MEDIA_TYPES = {"mp4": "video/mp4", "webm": "video/webm"}

MAX_FRAMES = 1025
MAX_FRAMES_PER_SECOND = 120

#: What is counted of a video whose size, length and steps the model chooses.
_WIDTH, _HEIGHT, _FRAMES, _STEPS = 832, 480, 81, 50

#: How many frames one latent stands for, about.
_FRAMES_OF_LATENT = 4


@dataclass(slots=True)
class VideoGenerationInput(Input):
    """What to draw.

    Attributes:
        prompt: what is to be seen.
        negative_prompt: what is not; None for the model's own default.
        width: in pixels; 0 for the model's own.
        height: the same.
        frames: how many; 0 for the model's own.
        frames_per_second: 0 for the model's own.
        steps: of denoising; 0 for the model's own.
        guidance_scale: how closely to keep to the prompt; None for the model's own.
        seed: None for any.
        output_format: of the file.
        image: that it begins with; None for a text alone.
    """

    prompt: str
    negative_prompt: str | None = None
    width: int = 0
    height: int = 0
    frames: int = 0
    frames_per_second: int = 0
    steps: int = 0
    guidance_scale: float | None = None
    seed: int | None = None
    output_format: VideoFormat = "mp4"
    image: Image | None = None


@dataclass(slots=True)
class Video:
    """A video, or a piece of its file.

    Attributes:
        content: the piece.
        width: in pixels.
        height: the same.
        frames: of the whole.
        frames_per_second: of it.
        seed: by which it is drawn again; 0 for what was not drawn.
        has_audio: whether it has sound.
    """

    content: bytes
    width: int
    height: int
    frames: int
    frames_per_second: float
    seed: int = 0
    has_audio: bool = False


@dataclass(slots=True)
class VideoGenerationOutput(Output):
    """A part of an answer has a step or a piece of the file, the whole answer the file."""

    progress: Progress | None = None
    video: Video | None = None


class VideoGenerationTask(Task[VideoGenerationInput, VideoGenerationOutput]):
    """A text to a video, step by step."""

    name = "video-generation"
    input_type = VideoGenerationInput
    output_unit = "bytes"
    # So many frames every model draws. Nothing here reads videos, so nobody says whether two are alike.
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload(
            "video-generation-9-frames-2-steps",
            lambda number, _: VideoGenerationInput(text_of(number, 8), frames=9, steps=2, seed=number),
        ),
    )

    def encode(self, task_input: VideoGenerationInput) -> bytes:
        """Everything."""
        message = messages.VideoGenerationInput(
            prompt=task_input.prompt,
            negative_prompt=task_input.negative_prompt,
            width=task_input.width,
            height=task_input.height,
            frames=task_input.frames,
            frames_per_second=task_input.frames_per_second,
            steps=task_input.steps,
            guidance_scale=task_input.guidance_scale,
            seed=task_input.seed,
            output_format=task_input.output_format,
        )
        if task_input.image is not None:
            message.image.CopyFrom(image_messages([task_input.image])[0])
        return message.SerializeToString()

    def decode(self, data: bytes) -> VideoGenerationOutput:
        """A step or a piece."""
        message = messages.VideoGenerationOutput.FromString(data)
        if not message.HasField("piece"):
            told = message.progress
            return VideoGenerationOutput(Progress(told.index, told.step, told.steps))
        piece = message.piece
        video = Video(piece.content, piece.width, piece.height, piece.frames, piece.frames_per_second, piece.seed)
        return VideoGenerationOutput(video=video)

    def work(self, task_input: VideoGenerationInput, items: int, size_bytes: int) -> int:
        """By pixels, frames and steps: a model looks at all of them in each step."""
        del items, size_bytes
        pixels = (task_input.width or _WIDTH) * (task_input.height or _HEIGHT)
        latents = -(-(task_input.frames or _FRAMES) // _FRAMES_OF_LATENT)
        return max(1, pixels // PIXELS_OF_UNIT) * latents * (task_input.steps or _STEPS)

    def links(self, task_input: VideoGenerationInput) -> Sequence[Link]:
        """The image, where it is elsewhere."""

        def put(content: bytes) -> None:
            task_input.image = Image(content=content)

        image = task_input.image
        return (Link(image.url, "image", "image", put),) if image is not None and image.url else ()

    def timeout_setting(self) -> str:
        """That of what is generated: each step is told."""
        return "generation_timeout_seconds"

    def validate(self, task_input: VideoGenerationInput, limits: Limits) -> None:
        """Checks every field; what the model can draw, the worker knows."""
        check_drawing(task_input)
        if task_input.image is not None:
            check_image(task_input.image, limits.media, "image")
        if task_input.frames:
            check_range(task_input, "frames", 1, MAX_FRAMES)
        if task_input.frames_per_second:
            check_range(task_input, "frames_per_second", 1, MAX_FRAMES_PER_SECOND)
        check_word(task_input.output_format, "output_format", get_args(VideoFormat))

    def facts_of(self, ready: wire.Ready) -> DiffusionSpec:
        """What the worker says of the model."""
        return diffusion_spec_of(ready)

    def input_units(self, task_input: VideoGenerationInput) -> int:
        """The image that it begins with."""
        return int(task_input.image is not None)

    def usage(self, output: VideoGenerationOutput) -> Usage:
        """The bytes of a piece."""
        return Usage(0, len(output.video.content) if output.video is not None else 0)

    def text_of(self, task_input: VideoGenerationInput) -> str:
        """What is to be seen."""
        return task_input.prompt

    def join(self, parts: Sequence[VideoGenerationOutput]) -> VideoGenerationOutput:
        """The file."""
        pieces = [part.video for part in parts if part.video is not None]
        last = pieces[-1]
        content = b"".join(piece.content for piece in pieces)
        return VideoGenerationOutput(
            video=Video(content, last.width, last.height, last.frames, last.frames_per_second, last.seed)
        )
