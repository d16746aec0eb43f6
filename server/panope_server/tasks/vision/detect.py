"""Task `detect`: images to what stands in them, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from panope.worker.v1 import detect_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.task import Workload
from panope_server.tasks.vision.classify_images import check_labels
from panope_server.tasks.vision.image_workloads import images_workloads
from panope_server.tasks.vision.images import image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

MAX_DETECTIONS = 1000

MAX_BOXES = 64
"""Each of an image becomes an image of its own for the model."""

_SIDES = 4
_NUMBERS = 3


class Box(NamedTuple):
    """A rectangle in pixels of an image as it is shown."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


class Keypoint(NamedTuple):
    """A point of a thing; its place in pixels of an image as it is shown."""

    name: str
    score: float
    x: float
    y: float


@dataclass(slots=True)
class DetectInput(ImagesInput):
    """Images to look at.

    Attributes:
        threshold: scores that are told are higher; 0 to 1, None for the model's default.
        max_detections: how many to tell of each image; None for all.
        candidate_labels: of the caller's own; empty for those of the model.
        boxes: where to look in the only image; empty for all of it.
    """

    threshold: float | None = None
    max_detections: int | None = None
    candidate_labels: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)


class Detection(NamedTuple):
    """One thing in an image."""

    label: str
    score: float
    box: Box
    keypoints: Sequence[Keypoint] = ()


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
    workloads: ClassVar[Sequence[Workload]] = images_workloads(
        "detect", lambda images: DetectInput(images, threshold=0.05, max_detections=20)
    )
    least_agreement = 0.8

    def encode(self, task_input: DetectInput) -> bytes:
        """The images as they came."""
        message = messages.DetectInput(
            images=image_messages(task_input.images),
            threshold=task_input.threshold,
            max_detections=task_input.max_detections or 0,
            candidate_labels=task_input.candidate_labels,
            first_index=task_input.first_index,
            boxes=[side for box in task_input.boxes for side in box],
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> DetectOutput:
        """The boxes of each image."""
        return DetectOutput([_detections_of(image) for image in messages.DetectOutput.FromString(data).images])

    def agreement(self, expected: DetectOutput, found: DetectOutput) -> float:
        """The boxes of one label that both have found, as F1 at an overlap of a half."""
        boxes = (
            [[(each.label, each.box) for each in image.detections] for image in e.images] for e in (expected, found)
        )
        return agreement.of_each(agreement.of_boxes, *boxes)

    def validate(self, task_input: DetectInput, limits: Limits) -> None:
        """Checks every field; what images hold, the worker sees."""
        super().validate(task_input, limits)
        check_labels(task_input.candidate_labels, limits)
        threshold = task_input.threshold
        if threshold is not None and not (math.isfinite(threshold) and 0 <= threshold <= 1):
            raise InvalidInputError.at("threshold", "{field} must be a number from 0 to 1")
        if task_input.max_detections is not None and not 1 <= task_input.max_detections <= MAX_DETECTIONS:
            raise InvalidInputError.at("max_detections", "{field} must be 1 to {limit:,}", limit=MAX_DETECTIONS)
        if task_input.boxes:
            _check_boxes(task_input.boxes, len(task_input.images))


def _check_boxes(boxes: Sequence[Box], images: int) -> None:
    if images > 1:
        raise InvalidInputError.at("boxes", "{field} are of one image, and there are {count:,}", count=images)
    if len(boxes) > MAX_BOXES:
        raise InvalidInputError.at(
            "boxes", "{field} has {count:,} items; the limit is {limit:,}", count=len(boxes), limit=MAX_BOXES
        )
    for index, box in enumerate(boxes):
        if not (all(map(math.isfinite, box)) and box.x_min < box.x_max and box.y_min < box.y_max):
            raise InvalidInputError.at(
                f"boxes[{index}]", "{field} must end to the right of where it begins, and below; in pixels"
            )


def _detections_of(image: messages.Detections) -> ImageDetections:
    sides = list(image.corners)
    boxes = [Box(*sides[start : start + _SIDES]) for start in range(0, len(sides), _SIDES)]
    found = zip(image.labels, image.scores, boxes, _points_of(image, len(boxes)), strict=True)
    return ImageDetections(image.width, image.height, [Detection(*each) for each in found])


def _points_of(image: messages.Detections, count: int) -> Sequence[Sequence[Keypoint]]:
    """The points of each box."""
    names, numbers = list(image.keypoint_names), list(image.keypoints)
    if not names:
        return [()] * count
    triples = [numbers[start : start + _NUMBERS] for start in range(0, len(numbers), _NUMBERS)]
    rows = (triples[start : start + len(names)] for start in range(0, len(triples), len(names)))
    return [[Keypoint(name, score, x, y) for name, (x, y, score) in zip(names, row, strict=True)] for row in rows]
