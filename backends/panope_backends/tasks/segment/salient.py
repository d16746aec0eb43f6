"""Masks of what an image is of, by graphs that tell for each place how much it belongs to that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from panope_backends.api import Arrays
from panope_backends.tasks.segment.decoders import SEMANTIC, Asked, SegmentDecoder
from panope_backends.tasks.segment.decoding import NOTHING, SegmentMap
from panope_backends.tasks.segment.resizing import bilinear_strips


class SalientMap(SegmentDecoder):
    """One segment: the places whose values are at least `mask_threshold`.

    Args:
        stretched: whether the lowest and the highest value of an image mean 0 and 1.
    """

    outputs = ("mask",)
    subtasks = (SEMANTIC,)

    def __init__(self, *, stretched: bool) -> None:
        self._stretched = stretched

    def thresholds(self, subtask: str) -> Sequence[str]:
        """That of masks."""
        del subtask
        return ("mask_threshold",)

    def decoded(self, row: Arrays, height: int, width: int, asked: Asked) -> SegmentMap:
        """The segment, which has no pixel where all values are the same and are to be stretched."""
        mask = row["mask"]
        sides = mask.shape[:2] if mask.ndim > 2 and mask.shape[-1] == 1 else mask.shape[-2:]  # colours last, or first
        values = np.array(mask, np.float32).reshape(sides)
        if self._stretched:
            low, high = values.min(), values.max()
            values = (values - low) / (high - low) if high > low else np.zeros_like(values)
        pixels = np.full((height, width), NOTHING, np.uint16)
        for rows, strip in bilinear_strips(values[:, :, None], height, width):
            pixels[rows][strip[:, :, 0] >= asked.mask_threshold] = 0
        return SegmentMap(pixels, np.zeros(1, np.int64), None)
