"""Points of people, by graphs that give a place and a score for each: what MoveNet and its kin say."""

from __future__ import annotations

import numpy as np

from panope_backends.api import Arrays
from panope_backends.graphs.decoders import Keypoints
from panope_backends.tasks.detect.decoding import Boxes, Floats


class PointPlaces:
    """The poses of an image, by a decoder that `panope.json` names.

    Args:
        decoder: as it says.
    """

    outputs = ("keypoints",)

    def __init__(self, decoder: Keypoints) -> None:
        self._order = decoder.order
        self.points = decoder.points

    def __call__(self, row: Arrays, width: int, height: int, threshold: float) -> Boxes:
        """Those of an image of a size, the surest first; in how far, `Boxes.over` asks."""
        del threshold
        values = row["keypoints"].reshape(-1, len(self.points), 3).astype(np.float32)
        places = values[:, :, [1, 0]] if self._order == "yx" else values[:, :, :2]
        return poses(np.concatenate([places * np.array([width, height], np.float32), values[:, :, 2:]], axis=2))


def poses(points: Floats, corners: Floats | None = None) -> Boxes:
    """Things that are known by their points, the surest first: each as sure as its points are in the mean.

    Args:
        points: things × points × 3, as of `Boxes`.
        corners: of each thing; None for the smallest rectangles that hold all points.
    """
    places, scores = points[:, :, :2], points[:, :, 2].mean(axis=1)
    if corners is None:
        corners = np.concatenate([places.min(axis=1), places.max(axis=1)], axis=1)
    order = np.argsort(-scores, kind="stable")
    return Boxes(scores[order], np.zeros(len(order), np.int64), corners[order], points[order])
