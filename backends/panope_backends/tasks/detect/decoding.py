"""What detectors say, as boxes: the post-processing of transformers' detectors, in NumPy.

Sources: `post_process_object_detection` of transformers 5 for DETR, YOLOS and Table Transformer (a softmax over the
labels and one more class, which says that nothing is there), and for Deformable and Conditional DETR, RT-DETR and
D-FINE (a sigmoid for each label; the highest scores over all boxes and labels). Detectors by texts are decoded as its
pipeline for zero-shot object detection does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.classify.functions import scores_of

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one image, the highest score first.

    Attributes:
        scores: one a box, 0 to 1.
        labels: the ids of their labels.
        corners: boxes × 4: left, top, right, bottom, in pixels.
        keypoints: boxes × points × 3: right, down, in pixels, and the score; None where a model gives none.
    """

    scores: Floats
    labels: NDArray[Any]
    corners: Floats
    keypoints: Floats | None = None

    def over(self, threshold: float, most: int) -> Boxes:
        """Those whose scores are higher, and no more than so many."""
        kept = np.flatnonzero(self.scores > threshold)[:most]
        points = None if self.keypoints is None else self.keypoints[kept]
        return Boxes(self.scores[kept], self.labels[kept], self.corners[kept], points)


def decode_boxes(logits: Floats, boxes: Floats, labels: int, width: int, height: int) -> Boxes:
    """The boxes of one image.

    Args:
        logits: boxes × classes, the model's own values.
        boxes: boxes × 4: centre, width and height, in parts of the image.
        labels: that the model has.
        width: of the image, in pixels.
        height: the same.
    """
    corners = _corners(boxes, width, height)
    if logits.shape[1] > labels:
        given = scores_of(logits, "softmax")[:, :-1]
        best, which, where = given.max(axis=1), given.argmax(axis=1), np.arange(len(given))
    else:
        flat = scores_of(logits, "sigmoid").ravel()
        order = np.argsort(-flat, kind="stable")[: len(boxes)]
        best, which, where = flat[order], order % logits.shape[1], order // logits.shape[1]
    order = np.argsort(-best, kind="stable")
    return Boxes(best[order], which[order], corners[where[order]])


def decode_found(logits: Floats, boxes: Floats, width: int, height: int) -> Boxes:
    """The boxes of one image that a detector by texts gives: each text is looked for by itself.

    Args:
        logits: texts × boxes, the model's own values.
        boxes: texts × boxes × 4, as of `decode_boxes`.
        width: of what the model saw as the whole, in pixels.
        height: the same.
    """
    scores = scores_of(logits, "sigmoid").ravel()
    order = np.argsort(-scores, kind="stable")
    return Boxes(scores[order], order // logits.shape[1], _corners(boxes.reshape(-1, 4), width, height)[order])


def apart(corners: Floats, labels: NDArray[Any], overlap: float) -> NDArray[Any]:
    """The places of those boxes that share no more than a part with one of their label before them.

    Args:
        corners: boxes × 4, the highest score first.
        labels: of each.
        overlap: of the area of both, the part that two may share.
    """
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept = np.zeros(len(corners), bool)
    for at in range(len(corners)):
        others = np.flatnonzero(kept & (labels == labels[at]))
        inner = np.minimum(corners[others, 2:], corners[at, 2:]) - np.maximum(corners[others, :2], corners[at, :2])
        shared = np.clip(inner, 0, None).prod(axis=1)
        kept[at] = not (shared > overlap * (areas[others] + areas[at] - shared)).any()
    return np.flatnonzero(kept)


def _corners(boxes: Floats, width: int, height: int) -> Floats:
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    corners: Floats = np.concatenate([centre - half, centre + half], axis=1)
    return corners * np.array([width, height] * 2, np.float32)
