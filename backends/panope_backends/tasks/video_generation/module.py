"""How `video-generation` models are loaded, and which requests they answer."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

import numpy as np
from PIL import Image

from panope.worker.v1 import video_generation_pb2 as messages
from panope_backends.api import DiffusionFacts, DiffusionModel, DiffusionRequest
from panope_backends.errors import InvalidInputError
from panope_backends.media.audio import import_av
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.diffusion import (
    SEED_BITS,
    check_guidance,
    check_positions,
    check_prompts,
    check_sides,
    facts_message,
    load_tried,
    refuse_input,
)
from panope_backends.tasks.images import read_image
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
        requests = {self.name: VideoRequests(model, source.media_limits).prepare}
        facts = facts_message(model.facts).SerializeToString()
        return LoadedTask(model, {}, requests, facts=facts, is_tried=is_tried)


@dataclass(frozen=True)
class VideoRequests:
    """What makes jobs for one model.

    Attributes:
        model: that draws.
        limits: that images which are begun from must keep.
    """

    model: DiffusionModel
    limits: MediaLimits

    def prepare(self, data: bytes) -> Job:
        """The job of a message.

        Raises:
            InvalidInputError: a field of the request is wrong for this model.
        """
        message = messages.VideoGenerationInput.FromString(data)
        facts = self.model.facts
        kind = "image" if message.HasField("image") else "text"
        if kind not in facts.inputs:
            refuse_input(kind, facts)
        check_guidance(message, facts)
        check_prompts(message, self.model)
        check_sides(message.width, message.height, facts)
        image = read_image(message.image, "image", self.limits) if kind == "image" else None
        width, height = size_of(message.width, message.height, facts, image)
        check_positions(width, height, facts, "image" if image and not (message.width and message.height) else "")
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
            image=None if image is None else np.asarray(image),
            seed=message.seed if message.HasField("seed") else secrets.randbits(SEED_BITS),
        )
        return VideoJob(self.model, request, message.output_format)


def size_of(width: int, height: int, facts: DiffusionFacts, image: Image.Image | None) -> tuple[int, int]:
    """The size to draw in.

    Args:
        width: that was asked for; 0 for none.
        height: the same.
        facts: of the model.
        image: that is begun from, whose shape counts where none is asked for: with about as many pixels as the model
            draws otherwise.
    """
    if image is None or (width and height):
        return width or facts.width, height or facts.height
    shape = image.height / image.width
    area = facts.width * facts.height
    wanted = (
        width or (height / shape if height else math.sqrt(area / shape)),
        height or (width * shape if width else math.sqrt(area * shape)),
    )
    sides = [max(1, round(side / facts.multiple)) * facts.multiple for side in wanted]
    return sides[0], sides[1]


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
    if facts.max_frames and frames > facts.max_frames:
        raise InvalidInputError.at(
            "frames",
            "{field} is {frames:,}; the model takes at most {most:,}",
            frames=frames,
            most=facts.max_frames,
        )
