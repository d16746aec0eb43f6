"""OpenAI's bodies of images, as JSON and as a form, and the answer to both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.image_generation import MAX_COUNT, GeneratedFormat, ImageGenerationInput
from panope_server.transport.rest.json.refusals import Refusal

Size = Annotated[str, Meta(pattern=r"^(auto|[1-9]\d{0,4}x[1-9]\d{0,4})\Z")]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Compression = Annotated[int, Meta(ge=0, le=100)]
Guidance = Annotated[float, Meta(ge=0, le=100)]
Strength = Annotated[float, Meta(gt=0, le=1)]
Steps = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=0)]
User = Annotated[str, Meta(max_length=256)]

_SIZE = re.compile(r"(?P<width>\d+)x(?P<height>\d+)")

#: Fields of OpenAI's models that mean nothing here, with what asks for nothing.
REFUSED: Mapping[str, Refusal] = {
    "background": Refusal(
        "is not supported but for `opaque` and `auto`: no model here draws transparency", ("opaque", "auto")
    ),
    "quality": Refusal("is not supported; say how many `steps` to draw in", ("auto", "standard")),
    "style": Refusal("is not supported; say it in the prompt"),
    "moderation": Refusal("is not supported: a model's own safety checker is always asked", ("auto",)),
    "stream": Refusal("is not supported; gRPC's ImageService.GenerateImages tells each step", (False,)),
    "partial_images": Refusal("is not supported", (0,)),
    "input_fidelity": Refusal("is not supported; say the `strength`"),
    "frame_count": Refusal("is not supported: images do not move"),
    "frame_duration_ms": Refusal("is not supported: images do not move"),
    "complexity": Refusal("is not supported"),
    "svg": Refusal("is not supported"),
    "markup": Refusal("is not supported; send a `mask`"),
}


class ImageOptions(Struct, forbid_unknown_fields=True, kw_only=True):
    """What both bodies have.

    Attributes:
        prompt: What is to be seen.
        model: Absent for the default model.
        n: How many images.
        size: `WIDTHxHEIGHT`, or `auto` for the model's own, or that of the image that is begun from.
        output_format: Of the files.
        output_compression: Of JPEG and WebP, where 100 is the best; absent for 95.
        response_format: `b64_json`; images are kept nowhere, so there are no URLs.
        user: Goes into the log of the call as `end_user` and nowhere else.
        safety_identifier: As `user`.
        negative_prompt: What is not to be seen. Not of OpenAI's, as all that follows.
        steps: Denoising steps.
        guidance_scale: How closely to keep to the prompt.
        seed: Draws the same images each time.
    """

    prompt: str
    model: str | None = None
    n: Count | None = None
    size: Size | None = None
    output_format: GeneratedFormat | None = None
    output_compression: Compression | None = None
    response_format: Literal["b64_json", "url"] | None = None
    user: User | None = None
    safety_identifier: User | None = None
    negative_prompt: str | None = None
    steps: Steps | None = None
    guidance_scale: Guidance | None = None
    seed: Seed | None = None


class ImageGenerationBody(ImageOptions, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/images/generations."""


_File = Annotated[str, Meta(extra_json_schema={"format": "binary"})]


class ImageEditForm(ImageOptions, forbid_unknown_fields=True, kw_only=True):
    """The form of POST /v1/images/edits.

    Attributes:
        image: The file to begin from.
        mask: A file in which what is transparent is drawn anew.
        strength: How much of the image may change. Not of OpenAI's.
    """

    image: _File
    mask: _File | None = None
    strength: Strength | None = None


class ImageJson(Struct):
    """An image.

    Attributes:
        b64_json: the file in base64.
        seed: by which it is drawn again. Not of OpenAI's.
        flagged: whether the model's safety checker took offence; the image is black. Not of OpenAI's.
    """

    b64_json: str
    seed: int
    flagged: bool


class ImagesJson(Struct):
    """The answer.

    Attributes:
        created: when, in seconds of Unix time.
        size: of each image.
    """

    created: int
    data: list[ImageJson]
    background: Literal["opaque"]
    output_format: GeneratedFormat
    size: str


def input_of(options: ImageOptions) -> ImageGenerationInput:
    """What the options ask for, without an image to begin from.

    Raises:
        InvalidInputError: an answer with URLs is asked for.
    """
    if options.response_format == "url":
        raise InvalidInputError(
            "`response_format`: images are kept nowhere, so there are no URLs; use `b64_json`",
            field="response_format",
            reason="unsupported_field",
        )
    width, height = size_of(options.size)
    return ImageGenerationInput(
        options.prompt,
        options.negative_prompt,
        width,
        height,
        options.steps or 0,
        options.guidance_scale,
        seed=options.seed,
        count=options.n or 1,
        output_format=options.output_format or "png",
        quality=0 if options.output_compression is None else max(1, options.output_compression),
    )


def size_of(text: str | None) -> tuple[int, int]:
    """Width and height of a size; 0 for the model's own."""
    found = _SIZE.fullmatch(text or "")
    return (int(found["width"]), int(found["height"])) if found else (0, 0)


#: Names of the body by those of the input.
NAMES = {
    "count": "n",
    "width": "size",
    "height": "size",
    "output_format": "output_format",
    "quality": "output_compression",
}
