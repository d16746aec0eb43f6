"""Boxes that graphs chose themselves, a row of numbers for each, as those that end in non-maximum suppression do."""

from __future__ import annotations

import numpy as np

from panope_backends.api import Arrays
from panope_backends.graphs.decoders import BoxRows
from panope_backends.tasks.detect.decoding import Boxes

_SCORE, _LABEL = 4, 5


class RowBoxes:
    """The boxes of an image, by a decoder that `panope.json` names.

    Args:
        decoder: as it says.
        labels: how many there are; rows of others tell of nothing.
        width: of what the graph sees, in pixels.
        height: the same.
    """

    outputs = ("boxes",)
    points: tuple[str, ...] = ()

    def __init__(self, decoder: BoxRows, labels: int, width: int, height: int) -> None:
        self._seen = (width, height) if decoder.places == "pixels" else (1, 1)
        self._labels = labels

    def __call__(self, row: Arrays, width: int, height: int, threshold: float) -> Boxes:
        """Those over the threshold, the highest score first."""
        rows = row["boxes"].reshape(-1, row["boxes"].shape[-1])
        ids = rows[:, _LABEL]
        kept = np.flatnonzero((rows[:, _SCORE] > threshold) & (ids >= 0) & (ids < self._labels))
        kept = kept[np.argsort(-rows[kept, _SCORE], kind="stable")]
        scale = np.array([width / self._seen[0], height / self._seen[1]] * 2, np.float32)
        return Boxes(rows[kept, _SCORE], ids[kept].astype(np.int64), rows[kept, :_SCORE] * scale)
