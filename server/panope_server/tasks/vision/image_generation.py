"""Task `image-generation`: a text, and perhaps an image, to images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal, get_args

from panope.worker.v1 import image_generation_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import Field, InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.links import Link
from panope_server.tasks.task import Input, Output, Task, Usage, Workload
from panope_server.tasks.validation import check_range, check_word
from panope_server.tasks.vision.diffusion_fields import check_drawing
from panope_server.tasks.vision.diffusion_spec import DiffusionSpec, diffusion_spec_of
from panope_server.tasks.vision.images import PIXELS_OF_UNIT, Image, check_image, image_messages
from panope_server.tasks.workload import SingleWorkload, text_of

GeneratedFormat = Literal["png", "jpeg", "webp"]

MAX_COUNT = 10
"""Images of one call, as OpenAI has it."""
MAX_QUALITY = 100

#: What is counted of an image whose size and steps the model chooses.
_SIDE, _STEPS = 512, 30


@dataclass(slots=True)
class ImageGenerationInput(Input):
    """What to draw.

    Attributes:
        prompt: what is to be seen.
        negative_prompt: what is not; None for the model's own default.
        width: in pixels; 0 for the model's own, or that of `image`.
        height: the same.
        steps: of denoising; 0 for the model's own.
        guidance_scale: how closely to keep to the prompt; None for the model's own.
        strength: how much of `image` may change; None for the model's own.
        seed: of the first image; each that follows has the next number. None for any.
        count: how many images.
        output_format: of files.
        quality: of files in JPEG and WebP, 1 to 100; 0 for 95.
        image: to begin from; None for noise alone.
        mask: what of `image` is drawn anew: what is white.
        mask_is_transparency: whether that is what is transparent.
    """

    prompt: str
    negative_prompt: str | None = None
    width: int = 0
    height: int = 0
    steps: int = 0
    guidance_scale: float | None = None
    strength: float | None = None
    seed: int | None = None
    count: int = 1
    output_format: GeneratedFormat = "png"
    quality: int = 0
    image: Image | None = None
    mask: Image | None = None
    mask_is_transparency: bool = False


@dataclass(slots=True)
class Progress:
    """A step that is done: the image's position, its steps that are done, and all of them."""

    index: int
    step: int
    steps: int


@dataclass(slots=True)
class GeneratedImage:
    """An image.

    Attributes:
        index: its position.
        width: in pixels.
        height: the same.
        content: the file.
        seed: by which it is drawn again.
        flagged: whether the model's safety checker took offence, and it is black.
    """

    index: int
    width: int
    height: int
    content: bytes
    seed: int
    flagged: bool


@dataclass(slots=True)
class ImageGenerationOutput(Output):
    """A part of an answer has a step or an image, the whole answer all images."""

    progress: Progress | None = None
    images: list[GeneratedImage] = field(default_factory=list)


class ImageGenerationTask(Task[ImageGenerationInput, ImageGenerationOutput]):
    """A text to images, step by step."""

    name = "image-generation"
    input_type = ImageGenerationInput
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload(
            "image-generation-4-steps", lambda number, _: ImageGenerationInput(text_of(number, 8), steps=4, seed=number)
        ),
    )
    least_agreement = 0.8

    def encode(self, task_input: ImageGenerationInput) -> bytes:
        """Everything."""
        message = messages.ImageGenerationInput(
            prompt=task_input.prompt,
            negative_prompt=task_input.negative_prompt,
            width=task_input.width,
            height=task_input.height,
            steps=task_input.steps,
            guidance_scale=task_input.guidance_scale,
            strength=task_input.strength,
            seed=task_input.seed,
            count=task_input.count,
            output_format=task_input.output_format,
            quality=task_input.quality,
            mask_is_transparency=task_input.mask_is_transparency,
        )
        for name, image in (("image", task_input.image), ("mask", task_input.mask)):
            if image is not None:
                getattr(message, name).CopyFrom(image_messages([image])[0])
        return message.SerializeToString()

    def decode(self, data: bytes) -> ImageGenerationOutput:
        """A step or an image."""
        message = messages.ImageGenerationOutput.FromString(data)
        if not message.HasField("image"):
            told = message.progress
            return ImageGenerationOutput(Progress(told.index, told.step, told.steps))
        made = message.image
        image = GeneratedImage(made.index, made.width, made.height, made.content, made.seed, made.flagged)
        return ImageGenerationOutput(images=[image])

    def links(self, task_input: ImageGenerationInput) -> Sequence[Link]:
        """The image and the mask, where they are elsewhere."""

        def put(name: str, content: bytes) -> None:
            setattr(task_input, name, Image(content=content))

        return [
            Link(image.url, name, "image", partial(put, name))
            for name, image in (("image", task_input.image), ("mask", task_input.mask))
            if image is not None and image.url
        ]

    def work(self, task_input: ImageGenerationInput, items: int, size_bytes: int) -> int:
        """By pixels and steps: a model looks at each pixel in each step."""
        del items, size_bytes
        pixels = (task_input.width or _SIDE) * (task_input.height or _SIDE)
        return task_input.count * max(1, pixels // PIXELS_OF_UNIT) * (task_input.steps or _STEPS)

    def timeout_setting(self) -> str:
        """That of what is generated: images take minutes where nothing but a processor draws them."""
        return "generation_timeout_seconds"

    def agreement(self, expected: ImageGenerationOutput, found: ImageGenerationOutput) -> float | None:
        """How near the pixels are, drawn from the same noise; None where nothing reads the files."""
        return agreement.of_files([each.content for each in expected.images], [each.content for each in found.images])

    def validate(self, task_input: ImageGenerationInput, limits: Limits) -> None:
        """Checks every field; what the model can draw, the worker knows."""
        check_drawing(task_input)
        check_range(task_input, "count", 1, MAX_COUNT)
        if task_input.quality:
            check_range(task_input, "quality", 1, MAX_QUALITY)
        check_word(task_input.output_format, "output_format", get_args(GeneratedFormat))
        if task_input.quality and task_input.output_format == "png":
            raise InvalidInputError.at(
                "quality", "{field} changes nothing in PNG files; see {format}", format=Field("output_format")
            )
        strength = task_input.strength
        if strength is not None and not 0 < strength <= 1:
            raise InvalidInputError.at("strength", "{field} must be above 0 and at most 1")
        self._check_images(task_input, limits)

    def _check_images(self, task_input: ImageGenerationInput, limits: Limits) -> None:
        if task_input.image is not None:
            check_image(task_input.image, limits.media, "image")
        if task_input.mask is not None:
            check_image(task_input.mask, limits.media, "mask")
            if task_input.image is None:
                raise InvalidInputError.at(
                    "mask", "{field} is a part of an image, and there is no {image}", image=Field("image")
                )

    def facts_of(self, ready: wire.Ready) -> DiffusionSpec:
        """What the worker says of the model."""
        return diffusion_spec_of(ready)

    def input_units(self, task_input: ImageGenerationInput) -> int:
        """The image that is begun from."""
        return int(task_input.image is not None)

    def usage(self, output: ImageGenerationOutput) -> Usage:
        """Images."""
        return Usage(0, len(output.images))

    def text_of(self, task_input: ImageGenerationInput) -> str:
        """What is to be seen."""
        return task_input.prompt

    def join(self, parts: Sequence[ImageGenerationOutput]) -> ImageGenerationOutput:
        """All images."""
        return ImageGenerationOutput(images=[image for part in parts for image in part.images])
