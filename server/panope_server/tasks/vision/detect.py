"""Task `detect`: images to what stands in them, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from panope.worker.v1 import detect_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.vision.classify_images import check_labels
from panope_server.tasks.vision.images import image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

MAX_DETECTIONS = 1000

_SIDES = 4


@dataclass(slots=True)
class DetectInput(ImagesInput):
    """Images to look at.

    Attributes:
        threshold: scores that are told are higher; 0 to 1, None for the model's default.
        max_detections: how many to tell of each image; None for all.
        candidate_labels: of the caller's own; empty for those of the model.
    """

    threshold: float | None = None
    max_detections: int | None = None
    candidate_labels: list[str] = field(default_factory=list)


class Box(NamedTuple):
    """A rectangle in pixels of an image as it is shown."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


class Detection(NamedTuple):
    """One thing in an image."""

    label: str
    score: float
    box: Box


@dataclass(slots=True)
class ImageDetections:
    """What stands in one image, the highest score first; its size in pixels as it is shown."""

    width: int
    height: int
    detections: list[Detection]


@dataclass(slots=True)
class DetectOutput(ImagesOutput):
    """In the order of the images."""

    images: list[ImageDetections]


class DetectTask(ImagesTask[DetectInput, DetectOutput]):
    """Images to boxes with labels."""

    name = "detect"
    input_type = DetectInput
    output_type = DetectOutput

    def encode(self, task_input: DetectInput) -> bytes:
        """The images as they came."""
        message = messages.DetectInput(
            images=image_messages(task_input.images),
            threshold=task_input.threshold,
            max_detections=task_input.max_detections or 0,
            candidate_labels=task_input.candidate_labels,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> DetectOutput:
        """The boxes of each image."""
        return DetectOutput([_detections_of(image) for image in messages.DetectOutput.FromString(data).images])

    def validate(self, task_input: DetectInput, limits: Limits) -> None:
        """Checks every field; what images hold, the worker sees."""
        super().validate(task_input, limits)
        check_labels(task_input.candidate_labels, limits)
        threshold = task_input.threshold
        if threshold is not None and not (math.isfinite(threshold) and 0 <= threshold <= 1):
            raise InvalidInputError.at("threshold", "{field} must be a number from 0 to 1")
        if task_input.max_detections is not None and not 1 <= task_input.max_detections <= MAX_DETECTIONS:
            raise InvalidInputError.at("max_detections", "{field} must be 1 to {limit:,}", limit=MAX_DETECTIONS)


def _detections_of(image: messages.Detections) -> ImageDetections:
    sides = list(image.corners)
    boxes = [Box(*sides[start : start + _SIDES]) for start in range(0, len(sides), _SIDES)]
    found = zip(image.labels, image.scores, boxes, strict=True)
    return ImageDetections(image.width, image.height, [Detection(*each) for each in found])
