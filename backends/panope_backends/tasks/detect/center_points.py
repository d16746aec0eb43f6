"""Boxes around middles: what CenterFace and its kin say, by their own post-processing (Star-Clouds/CenterFace).

A score for each label and place of a grid, the logarithms of a box's height and width, and how far its middle lies from
the place; of boxes that overlap the highest score is told.
"""

from __future__ import annotations

import numpy as np

from panope_backends.api import Arrays
from panope_backends.graphs.decoders import CenterPoints
from panope_backends.tasks.detect.decoding import Boxes, Floats, apart

#: Boxes that are looked at, those of the highest scores: each is compared with all that are told.
_MOST_TRIED = 2000


class PointBoxes:
    """The boxes of an image, by a decoder that `panope.json` names.

    Args:
        decoder: as it says.
    """

    def __init__(self, decoder: CenterPoints) -> None:
        self._decoder = decoder
        self.outputs = ("heatmap", "sizes", "offsets", *(["landmarks"] if decoder.landmarks else []))
        self.points = decoder.points

    def __call__(self, row: Arrays, width: int, height: int, threshold: float) -> Boxes:
        """Those over the threshold, brought from what the graph saw to an image of a size."""
        heatmap, sizes, offsets = row["heatmap"], row["sizes"], row["offsets"]
        found = decode_center_points(heatmap, sizes, offsets, self._decoder, threshold, row.get("landmarks"))
        rows, columns = heatmap.shape[1:]
        scale = np.array([width / columns, height / rows], np.float32) / self._decoder.stride
        points = found.keypoints
        if points is not None:
            points = np.concatenate([points[:, :, :2] * scale, points[:, :, 2:]], axis=2)
        return Boxes(found.scores, found.labels, found.corners * np.tile(scale, 2), points)


def decode_center_points(
    heatmap: Floats,
    sizes: Floats,
    offsets: Floats,
    decoder: CenterPoints,
    threshold: float,
    landmarks: Floats | None = None,
) -> Boxes:
    """The boxes of one image, in pixels of what the graph saw.

    Args:
        heatmap: labels × rows × columns.
        sizes: height and width × rows × columns.
        offsets: down and right × rows × columns.
        decoder: strides and overlap.
        threshold: scores that are told are higher.
        landmarks: down and right of each point in turn × rows × columns, in parts of the box, from its corner.
    """
    labels, rows, columns = np.nonzero(heatmap > threshold)
    scores = heatmap[labels, rows, columns]
    order = np.argsort(-scores, kind="stable")[:_MOST_TRIED]
    labels, rows, columns, scores = labels[order], rows[order], columns[order], scores[order]
    half = np.exp(np.clip(sizes[:, rows, columns], -20, 20)) * (decoder.stride / 2)
    down = (rows + offsets[0, rows, columns] + 0.5) * decoder.stride
    right = (columns + offsets[1, rows, columns] + 0.5) * decoder.stride
    corners = np.stack([right - half[1], down - half[0], right + half[1], down + half[0]], axis=1).astype(np.float32)
    height, width = (side * decoder.stride for side in heatmap.shape[1:])
    corners = np.clip(corners, 0, np.array([width, height] * 2, np.float32))
    kept = apart(corners, labels, decoder.overlap)
    points = None
    if landmarks is not None:
        parts = landmarks[:, rows[kept], columns[kept]].T.reshape(len(kept), len(landmarks) // 2, 2)[:, :, ::-1]
        places = corners[kept, None, :2] + parts * (2 * half[::-1, kept].T)[:, None]
        sure = np.broadcast_to(scores[kept, None, None], (*places.shape[:2], 1))
        points = np.concatenate([places, sure], axis=2).astype(np.float32)
    return Boxes(scores[kept], labels[kept], corners[kept], points)
