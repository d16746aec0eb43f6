"""How `video-generation` models are loaded, and which requests they answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from panope.worker.v1 import video_generation_pb2 as messages
from panope_backends.api import DiffusionFacts, DiffusionModel, DiffusionRequest
from panope_backends.errors import InvalidInputError
from panope_backends.media.audio import import_av
from panope_backends.tasks.diffusion import SEED_BITS, check_guidance, check_sides, facts_message, load_tried
from panope_backends.tasks.task import Job, LoadedTask, ModelSource, TaskModule
from panope_backends.tasks.video_generation.job import VideoJob

#: Of all frames together: as float32, which they are before they are written, they take 1.6 GB.
MAX_PIXELS = 1 << 27


class VideoGenerationModule(TaskModule):
    """Loads a pipeline that draws videos."""

    name = "video-generation"

    def load(self, source: ModelSource) -> LoadedTask:
        """Loads the pipeline, and draws a small frame in one step."""
        import_av()  # without it nothing could be written
        model, is_tried = load_tried(source)
        requests = {self.name: VideoRequests(model).prepare}
        facts = facts_message(model.facts).SerializeToString()
        return LoadedTask(model, {}, requests, facts=facts, is_tried=is_tried)


@dataclass(frozen=True)
class VideoRequests:
    """What makes jobs for one model.

    Attributes:
        model: that draws.
    """

    model: DiffusionModel

    def prepare(self, data: bytes) -> Job:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = messages.VideoGenerationInput.FromString(data)
        facts = self.model.facts
        check_guidance(message, facts)
        check_sides(message.width, message.height, facts)
        width, height = message.width or facts.width, message.height or facts.height
        frames = message.frames or facts.frames
        _check_frames(width, height, frames, facts)
        request = DiffusionRequest(
            prompt=message.prompt,
            negative_prompt=message.negative_prompt if message.HasField("negative_prompt") else None,
            guidance_scale=message.guidance_scale if message.HasField("guidance_scale") else None,
            width=width,
            height=height,
            frames=frames,
            frames_per_second=message.frames_per_second or facts.frames_per_second,
            steps=message.steps or facts.steps,
            seed=message.seed if message.HasField("seed") else secrets.randbits(SEED_BITS),
        )
        return VideoJob(self.model, request, message.output_format)


def _check_frames(width: int, height: int, frames: int, facts: DiffusionFacts) -> None:
    if (frames - 1) % facts.frames_multiple:
        raise InvalidInputError.at(
            "frames",
            "{field} is {frames:,}; with this model it must be one more than a multiple of {multiple}",
            frames=frames,
            multiple=facts.frames_multiple,
        )
    if width * height * frames > MAX_PIXELS:
        raise InvalidInputError.at(
            "frames",
            "{field}: {frames:,} frames of {width:,} × {height:,} pixels would be drawn, {count:,} in all; the limit is"
            " {limit:,}",
            frames=frames,
            width=width,
            height=height,
            count=width * height * frames,
            limit=MAX_PIXELS,
        )
