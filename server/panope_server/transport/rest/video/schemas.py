"""The bodies of videos."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from panope_server.tasks.vision.images import image_in
from panope_server.tasks.vision.video_generation import VideoFormat, VideoGenerationInput
from panope_server.transport.rest.hugging_face.schemas import CallOptions
from panope_server.transport.rest.image_generation.openai_schemas import Guidance, Seed, Size, Steps, size_of

Number = Annotated[int, Meta(ge=1)]


class VideoGenerationBody(Struct, forbid_unknown_fields=True):
    """POST /v1/video/generation.

    Attributes:
        prompt: What is to be seen.
        model: Absent for the default model.
        negative_prompt: What is not to be seen.
        size: `WIDTHxHEIGHT`, or `auto` for the model's own.
        frames: How many.
        frames_per_second: How many are shown in a second.
        steps: Denoising steps.
        guidance_scale: How closely to keep to the prompt.
        seed: Draws the same video each time.
        output_format: Of the file.
        image: That it begins with, in base64, as a `data:` URL, or by its URL where the settings `media_urls` allow it.
        options: How to treat the call.
    """

    prompt: str
    model: Annotated[str, Meta(min_length=1)] | None = None
    negative_prompt: str | None = None
    size: Size | None = None
    frames: Number | None = None
    frames_per_second: Number | None = None
    steps: Steps | None = None
    guidance_scale: Guidance | None = None
    seed: Seed | None = None
    output_format: VideoFormat = "mp4"
    image: Annotated[str, Meta(min_length=1)] | None = None
    options: CallOptions | None = None


def input_of(body: VideoGenerationBody) -> VideoGenerationInput:
    """What a body asks for."""
    width, height = size_of(body.size)
    return VideoGenerationInput(
        body.prompt,
        body.negative_prompt,
        width,
        height,
        body.frames or 0,
        body.frames_per_second or 0,
        body.steps or 0,
        body.guidance_scale,
        body.seed,
        body.output_format,
        None if body.image is None else image_in(body.image, "image"),
    )


#: Names of the body by those of the input.
NAMES = {"width": "size", "height": "size"}
