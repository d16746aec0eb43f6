"""Task `super-resolution`: images to larger ones, or others of their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from panope.worker.v1 import super_resolution_pb2 as messages
from panope_server.config import Limits
from panope_server.tasks import agreement, samples
from panope_server.tasks.task import Workload
from panope_server.tasks.validation import check_word
from panope_server.tasks.vision.image_workloads import images_workloads
from panope_server.tasks.vision.images import check_count, image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

OutputFormat = Literal["png", "jpeg"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("png", "jpeg")

MAX_IMAGES = 4
"""Of one call: each may become one of 16 megapixels."""

_PIXEL_WORK = 16
"""How much more such a model does for a pixel than one that looks at patches."""


@dataclass(slots=True)
class SuperResolutionInput(ImagesInput):
    """Images to make larger.

    Attributes:
        output_format: how the answers are written.
    """

    output_format: OutputFormat = "png"


@dataclass(slots=True)
class MadeImage:
    """A file, and its size in pixels."""

    width: int
    height: int
    content: bytes


@dataclass(slots=True)
class SuperResolutionOutput(ImagesOutput):
    """In the order of the images."""

    images: list[MadeImage]


class SuperResolutionTask(ImagesTask[SuperResolutionInput, SuperResolutionOutput]):
    """Images to images."""

    name = "super-resolution"
    input_type = SuperResolutionInput
    output_type = SuperResolutionOutput
    workloads: ClassVar[Sequence[Workload]] = images_workloads(
        "super-resolution", SuperResolutionInput, (1,), lambda number: samples.image(number, 96, 64)
    )

    def encode(self, task_input: SuperResolutionInput) -> bytes:
        """The images as they came."""
        message = messages.SuperResolutionInput(
            images=image_messages(task_input.images),
            output_format=task_input.output_format,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> SuperResolutionOutput:
        """The file of each image."""
        found = messages.SuperResolutionOutput.FromString(data).images
        return SuperResolutionOutput([MadeImage(each.width, each.height, each.content) for each in found])

    def split(self, task_input: SuperResolutionInput, max_items: int) -> Sequence[SuperResolutionInput]:
        """An image in each part: all of its tiles wait for the device in the worker's memory."""
        del max_items
        return super().split(task_input, 1)

    def work(self, task_input: SuperResolutionInput, items: int, size_bytes: int) -> int:
        """By the pixels of the images, about, each of which such models look at."""
        return super().work(task_input, items, size_bytes) * _PIXEL_WORK

    def agreement(self, expected: SuperResolutionOutput, found: SuperResolutionOutput) -> float | None:
        """How near the pixels are; None where nothing reads the files."""
        return agreement.of_files([each.content for each in expected.images], [each.content for each in found.images])

    def validate(self, task_input: SuperResolutionInput, limits: Limits) -> None:
        """Checks every field; what images hold, the worker sees."""
        check_count(task_input.images, MAX_IMAGES)
        super().validate(task_input, limits)
        check_word(task_input.output_format, "output_format", OUTPUT_FORMATS)
