"""Task `depth`: images to how far away each of their pixels is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from panope.worker.v1 import depth_pb2 as messages
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.task import Workload
from panope_server.tasks.vision.image_workloads import images_workloads
from panope_server.tasks.vision.images import check_count, image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

MAX_IMAGES = 8
"""Of one call: each map has as many pixels as its image."""


@dataclass(slots=True)
class DepthInput(ImagesInput):
    """Images whose depth to estimate.

    Attributes:
        float32: whether maps are float32, not PNG files.
    """

    float32: bool = False


@dataclass(slots=True)
class DepthMap:
    """The depth of each pixel of one image; its size in pixels as it is shown.

    Attributes:
        png: a PNG file of 16 bits, 0 for `low` and 65,535 for `high`; empty where float32 was asked for.
        float32: the values, little-endian, row by row; empty where a file was asked for.
        low: the lowest value.
        high: the highest.
        unit: `inverse`: larger is nearer, without a scale; or `metre`. Empty where the model's files do not say.
    """

    width: int
    height: int
    png: bytes
    float32: bytes
    low: float
    high: float
    unit: str


@dataclass(slots=True)
class DepthOutput(ImagesOutput):
    """In the order of the images."""

    images: list[DepthMap]


class DepthTask(ImagesTask[DepthInput, DepthOutput]):
    """Images to maps of depth."""

    name = "depth"
    input_type = DepthInput
    output_type = DepthOutput
    workloads: ClassVar[Sequence[Workload]] = images_workloads(
        "depth", lambda images: DepthInput(images, float32=True), (2, 1)
    )

    def encode(self, task_input: DepthInput) -> bytes:
        """The images as they came."""
        message = messages.DepthInput(
            images=image_messages(task_input.images), float32=task_input.float32, first_index=task_input.first_index
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> DepthOutput:
        """The map of each image."""
        return DepthOutput([_map_of(each) for each in messages.DepthOutput.FromString(data).images])

    def agreement(self, expected: DepthOutput, found: DepthOutput) -> float:
        """How near the values of all pixels are."""
        maps = ([np.frombuffer(each.float32, "<f4") for each in output.images] for output in (expected, found))
        return agreement.of_each(agreement.of_numbers, *maps)

    def validate(self, task_input: DepthInput, limits: Limits) -> None:
        """Checks how many images there are; what they hold, the worker sees."""
        check_count(task_input.images, MAX_IMAGES)
        super().validate(task_input, limits)


def _map_of(each: messages.DepthMap) -> DepthMap:
    return DepthMap(each.width, each.height, each.png, each.float32, each.min, each.max, each.unit)
