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

    outputs = ("heatmap", "sizes", "offsets")

    def __init__(self, decoder: CenterPoints) -> None:
        self._decoder = decoder

    def __call__(self, row: Arrays, width: int, height: int, threshold: float) -> Boxes:
        """Those over the threshold, brought from what the graph saw to an image of a size."""
        heatmap, sizes, offsets = (row[name] for name in self.outputs)
        found = decode_center_points(heatmap, sizes, offsets, self._decoder, threshold)
        rows, columns = heatmap.shape[1:]
        seen = np.array([columns, rows] * 2, np.float32) * self._decoder.stride
        return Boxes(found.scores, found.labels, found.corners * (np.array([width, height] * 2, np.float32) / seen))


def decode_center_points(
    heatmap: Floats, sizes: Floats, offsets: Floats, decoder: CenterPoints, threshold: float
) -> Boxes:
    """The boxes of one image, in pixels of what the graph saw.

    Args:
        heatmap: labels × rows × columns.
        sizes: height and width × rows × columns.
        offsets: down and right × rows × columns.
        decoder: strides and overlap.
        threshold: scores that are told are higher.
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
    return Boxes(scores[kept], labels[kept], corners[kept])
