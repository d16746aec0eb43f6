"""Task `segment`: images to masks of what they show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from panope.worker.v1 import segment_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.task import Workload
from panope_server.tasks.validation import check_range, check_word
from panope_server.tasks.vision.detect import Box
from panope_server.tasks.vision.image_workloads import images_workloads
from panope_server.tasks.vision.images import image_messages
from panope_server.tasks.vision.images_task import ImagesInput, ImagesOutput, ImagesTask

Subtask = Literal["", "semantic", "instance", "panoptic"]
SUBTASKS: tuple[Subtask, ...] = ("semantic", "instance", "panoptic")
"""Empty for the model's usual one."""

MAX_SEGMENTS = 1000

_PARTS = ("threshold", "mask_threshold", "overlap_mask_area_threshold")


@dataclass(slots=True)
class SegmentInput(ImagesInput):
    """Images to divide.

    Attributes:
        subtask: what segments are; empty for the model's usual one.
        threshold: scores that are told are higher, 0 to 1; None for the default, 0.9.
        mask_threshold: from which probability on a pixel belongs to a mask; None for the default, 0.5.
        overlap_mask_area_threshold: how much of a mask no other may cover; None for the default, 0.5.
        max_segments: how many to tell of each image; None for all.
        run_lengths: whether masks are lengths of runs, not PNG files.
    """

    subtask: Subtask = ""
    threshold: float | None = None
    mask_threshold: float | None = None
    overlap_mask_area_threshold: float | None = None
    max_segments: int | None = None
    run_lengths: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of an image.

    Attributes:
        label: what it is.
        score: 0 to 1; None where the model does not say.
        png: a PNG file of 8 bits; empty where runs were asked for.
        runs: pixels in turn outside and inside, column by column, outside first; empty where a file was asked for.
        area: how many pixels it has.
        box: the smallest rectangle that it lies in.
    """

    label: str
    score: float | None
    png: bytes
    runs: list[int]
    area: int
    box: Box


@dataclass(slots=True)
class ImageSegments:
    """The segments of one image, the highest score or the largest area first; its size in pixels as it is shown."""

    width: int
    height: int
    segments: list[Segment]


@dataclass(slots=True)
class SegmentOutput(ImagesOutput):
    """In the order of the images."""

    images: list[ImageSegments]


def _alike(expected: ImageSegments, found: ImageSegments) -> float:
    """Of what both have, and of what one has alone, which overlaps nothing."""
    best = [
        max(
            (agreement.of_masks(each.runs, other.runs) for other in found.segments if other.label == each.label),
            default=0.0,
        )
        for each in expected.segments
    ]
    count = max(len(expected.segments), len(found.segments))
    return sum(best) / count if count else 1.0


class SegmentTask(ImagesTask[SegmentInput, SegmentOutput]):
    """Images to masks with labels."""

    name = "segment"
    input_type = SegmentInput
    output_type = SegmentOutput
    workloads: ClassVar[Sequence[Workload]] = images_workloads(
        "segment", lambda images: SegmentInput(images, run_lengths=True), (2, 1)
    )
    least_agreement = 0.8

    def encode(self, task_input: SegmentInput) -> bytes:
        """The images as they came."""
        message = messages.SegmentInput(
            images=image_messages(task_input.images),
            subtask=task_input.subtask,
            threshold=task_input.threshold,
            mask_threshold=task_input.mask_threshold,
            overlap_mask_area_threshold=task_input.overlap_mask_area_threshold,
            max_segments=task_input.max_segments or 0,
            run_lengths=task_input.run_lengths,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> SegmentOutput:
        """The segments of each image."""
        return SegmentOutput([_segments_of(image) for image in messages.SegmentOutput.FromString(data).images])

    def agreement(self, expected: SegmentOutput, found: SegmentOutput) -> float:
        """The overlap of the masks, of each segment with the best of its label."""
        return agreement.of_each(_alike, expected.images, found.images)

    def validate(self, task_input: SegmentInput, limits: Limits) -> None:
        """Checks every field; what images hold and what the model does, the worker sees."""
        super().validate(task_input, limits)
        if task_input.subtask:
            check_word(task_input.subtask, "subtask", SUBTASKS)
        for name in _PARTS:
            part = getattr(task_input, name)
            if part is not None and not (math.isfinite(part) and 0 <= part <= 1):
                raise InvalidInputError.at(name, "{field} must be a number from 0 to 1")
        check_range(task_input, "max_segments", 1, MAX_SEGMENTS)


def _segments_of(image: messages.Segments) -> ImageSegments:
    segments = [
        Segment(
            each.label,
            each.score if each.HasField("score") else None,
            each.png,
            list(each.runs),
            each.area,
            Box(*each.corners),
        )
        for each in image.segments
    ]
    return ImageSegments(image.width, image.height, segments)
