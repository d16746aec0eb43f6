"""Models that look for the points of whoever stands in a rectangle of an image, as VitPose does.

The rectangles become the model's inputs, and its heat maps become points, by transformers' own processor, in NumPy and
SciPy; sources: `VitPoseImageProcessorPil` of transformers 5.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from panope.worker.v1 import detect_pb2 as messages
from panope_backends.api import Arrays, TensorModel
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.media.limits import MediaLimits
from panope_backends.media.processors import ImageProcessor, as_coco, load_image_processor, trial_image, whole_of
from panope_backends.tasks.classify.files import labels_of
from panope_backends.tasks.detect.answers import detections_message
from panope_backends.tasks.detect.decoding import Boxes, Floats
from panope_backends.tasks.detect.points import poses
from panope_backends.tasks.images import read_image
from panope_backends.tasks.json_files import shown
from panope_backends.tasks.stacked_arrays import StackedArrays, tokens_of
from panope_backends.tasks.task import ArrayItem, ArrayJob, LoadedTask, ModelSource

HEATMAPS = "heatmaps"

#: What VitPose smooths its heat maps by, and what its processor takes rectangles as.
_KERNEL = 11

#: Poses are told from here on: far from what is seen where nobody stands.
THRESHOLD = 0.3

#: What the processors of VitPose and its kin have beside them.
_TO_CENTER = "box_to_center_and_scale"

_LABELS = ("person",)
_SIDES = 4


def load_poses(source: ModelSource, config: Mapping[str, Any]) -> LoadedTask:
    """Loads a model and looks at an image.

    Raises:
        PreconditionError: the model cannot be loaded, or a package is missing.
    """
    model = source.load(config)
    if importlib.util.find_spec("scipy") is None:
        raise PreconditionError(
            "the package `scipy` is not installed: pip install 'panope-serving[pose]'", reason="not_installed"
        )
    processor = load_image_processor(source.folder)
    if not hasattr(sys.modules[type(processor.processor).__module__], _TO_CENTER):
        kind = shown(str(config.get("model_type")))
        raise PreconditionError(f"how the rectangles of `{kind}` become its inputs is not known here")
    return _loaded(model, config, PoseRequests(processor, source.media_limits, labels_of(config)))


def _loaded(model: TensorModel, config: Mapping[str, Any], requests: PoseRequests) -> LoadedTask:
    runs = StackedArrays(model, (HEATMAPS,), requests.sample)
    runs.trial()
    facts = messages.DetectFacts(labels=_LABELS).SerializeToString()
    return LoadedTask(model, config, {"detect": requests.detect}, facts=facts, arrays=runs)


class PoseRequests:
    """Prepares requests to one model.

    Args:
        processor: makes the model's inputs.
        limits: that images must keep.
        points: what the points are, in the model's order.
    """

    def __init__(self, processor: ImageProcessor, limits: MediaLimits, points: Sequence[str]) -> None:
        self._processor = processor
        self._limits = limits
        self._points = points

    def sample(self, number: int) -> ArrayItem:
        """An image to try with, of a number."""
        image = trial_image(number)
        return self._items(image, whole_of(image), "images[0]")[0]

    def detect(self, data: bytes) -> PoseJob:
        """A job of task `detect`.

        Raises:
            InvalidInputError: an image or a rectangle is wrong; labels, which this model does not read.
        """
        message = messages.DetectInput.FromString(data)
        if message.candidate_labels:
            raise InvalidInputError.at("candidate_labels", "{field} are for models that look for what texts say")
        given = np.array(message.boxes, np.float32).reshape(-1, _SIDES)
        items: list[ArrayItem] = []
        seen: list[Seen] = []
        for index, each in enumerate(message.images, message.first_index):
            field = f"images[{index}]"
            image = read_image(each, field, self._limits)
            boxes = given if len(given) else whole_of(image)
            _check_inside(boxes, image)
            items += self._items(image, boxes, field)
            seen.append(Seen(*image.size, boxes))
        threshold = message.threshold if message.HasField("threshold") else THRESHOLD
        return PoseJob(items, seen, self._processor.processor, self._points, threshold, message.max_detections)

    def _items(self, image: Image.Image, boxes: Floats, field: str) -> list[ArrayItem]:
        return [ArrayItem(row, tokens_of(row)) for row in self._processor.in_boxes(image, boxes, field)]


@dataclass(frozen=True, slots=True)
class Seen:
    """An image, and the rectangles in it that were looked into."""

    width: int
    height: int
    boxes: Floats


@dataclass(slots=True)
class PoseJob(ArrayJob):
    """The points of whoever stands in images."""

    items: Sequence[ArrayItem]
    seen: Sequence[Seen]
    processor: Any
    points: Sequence[str]
    threshold: float
    most: int

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The poses of each image, in its own pixels."""
        message, left = messages.DetectOutput(), iter(rows)
        for image in self.seen:
            heatmaps = np.stack([next(left)[HEATMAPS] for _ in image.boxes])
            found = poses_of(self.processor, heatmaps, image.boxes)
            kept = found.over(self.threshold, self.most or len(image.boxes))
            message.images.append(detections_message(image.width, image.height, kept, _LABELS, self.points))
        return message.SerializeToString()


def poses_of(processor: Any, heatmaps: Floats, corners: Floats) -> Boxes:
    """The poses in rectangles of one image.

    Args:
        processor: of transformers.
        heatmaps: rectangles × points × rows × columns.
        corners: of the rectangles.
    """
    to_center = getattr(sys.modules[type(processor).__module__], _TO_CENTER)
    height, width = processor.size["height"], processor.size["width"]
    pairs = [to_center(box, image_width=width, image_height=height) for box in as_coco(corners)]
    centers, scales = (np.stack(each).astype(np.float32) for each in zip(*pairs, strict=True))
    places, scores = processor.keypoints_from_heatmaps(heatmaps, centers, scales, kernel=_KERNEL)
    return poses(np.concatenate([places, scores], axis=2).astype(np.float32), corners)


def _check_inside(boxes: Floats, image: Image.Image) -> None:
    for index, (left, top, right, bottom) in enumerate(boxes.tolist()):
        if left < 0 or top < 0 or right > image.width or bottom > image.height:
            raise InvalidInputError.at(
                f"boxes[{index}]",
                "{field} reaches past the image, which has {width:,} × {height:,} pixels",
                width=image.width,
                height=image.height,
            )
