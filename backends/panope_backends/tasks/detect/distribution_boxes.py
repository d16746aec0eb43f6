"""Boxes whose edges are told as distributions: what PicoDet and its kin say, by their own post-processing.

Source: X. Li et al., "Generalized Focal Loss", 2020, as PaddleDetection's `PicoDet` has it. Each place of several grids
has a score for each label, and for each of the four edges how likely its distance is 0, 1, 2 … strides, whose mean
counts.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays
from panope_backends.graphs.decoders import DistributionBoxes
from panope_backends.tasks.classify.functions import scores_of
from panope_backends.tasks.detect.decoding import Boxes, Floats, apart

#: Places of a grid that are looked at, those of the highest scores, as PaddleDetection has it.
_MOST_TRIED = 1000

_EDGES = 4


class EdgeBoxes:
    """The boxes of an image, by a decoder that `panope.json` names.

    Args:
        decoder: as it says.
        height: of what the graph sees, in pixels.
        width: the same.
    """

    points: tuple[str, ...] = ()

    def __init__(self, decoder: DistributionBoxes, height: int, width: int) -> None:
        self._decoder, self._height, self._width = decoder, height, width
        self.outputs = tuple(decoder.outputs)

    def __call__(self, row: Arrays, width: int, height: int, threshold: float) -> Boxes:
        """Those over the threshold, brought from what the graph saw to an image of a size."""
        found = [
            self._grid(row[f"scores[{at}]"], row[f"distances[{at}]"], stride, threshold)
            for at, stride in enumerate(self._decoder.strides)
        ]
        scores, labels, corners = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(-scores, kind="stable")
        corners = np.clip(corners[order], 0, np.array([self._width, self._height] * 2, np.float32))
        kept = apart(corners, labels[order], self._decoder.overlap)
        scale = np.array([width / self._width, height / self._height] * 2, np.float32)
        return Boxes(scores[order][kept], labels[order][kept], corners[kept] * scale)

    def _grid(
        self, scores: Floats, distances: Floats, stride: int, threshold: float
    ) -> tuple[Floats, NDArray[Any], Floats]:
        """Scores, labels and corners of the places of one grid, in pixels of what the graph saw."""
        tried = np.argsort(-scores.max(axis=1), kind="stable")[:_MOST_TRIED]
        places, labels = np.nonzero(scores[tried] > threshold)
        where = tried[places]
        columns = math.ceil(self._width / stride)
        middles = (np.stack([where % columns, where // columns] * 2, axis=1) + 0.5) * stride
        likely = scores_of(distances[where].reshape(len(where), _EDGES, distances.shape[1] // _EDGES), "softmax")
        away = likely @ np.arange(likely.shape[-1], dtype=np.float32) * stride
        corners = (middles + away * np.array([-1, -1, 1, 1], np.float32)).astype(np.float32)
        return scores[where, labels], labels, corners
