"""What models make of images, as pixels, and as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from panope_backends.api import Arrays
from panope_backends.errors import InternalError
from panope_backends.tasks.stacked_arrays import StackedArrays
from panope_backends.tasks.super_resolution.tiles import Pixels
from panope_backends.tasks.task import ArrayItem, ArrayTask

PIXELS = "pixels"
"""What `MadeImages` gives for a tile: `Pixels`."""


@dataclass(frozen=True, slots=True)
class Form:
    """How an output holds an image.

    Attributes:
        output: its name.
        low: what black is.
        high: what white is.
        layout: `NCHW` or `NHWC`.
        colors: `RGB` or `BGR`.
    """

    output: str
    low: float = 0.0
    high: float = 1.0
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    colors: Literal["RGB", "BGR"] = "RGB"

    def pixels(self, values: NDArray[np.float32]) -> Pixels:
        """The image that values are, without the batch's axis; what is darker than black is black.

        Raises:
            InternalError: they are no numbers.
        """
        if not np.isfinite(values).all():
            raise InternalError("the model gives values that are no numbers")
        turned = values.transpose(1, 2, 0) if self.layout == "NCHW" else values
        scaled = (turned.astype(np.float32) - self.low) * (255 / (self.high - self.low))
        found = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
        return np.ascontiguousarray(found[:, :, ::-1] if self.colors == "BGR" else found)


class MadeImages(ArrayTask):
    """Runs a model that makes images; a quarter of its values' memory is kept of each until all are there.

    Args:
        runs: the model.
        form: of its output.
    """

    def __init__(self, runs: StackedArrays, form: Form) -> None:
        self._runs = runs
        self._form = form

    def run(self, items: Sequence[ArrayItem]) -> Sequence[Arrays]:
        """The pixels of each, under the name `PIXELS`."""
        return [{PIXELS: self._form.pixels(row[self._form.output])} for row in self._runs.run(items)]

    def sample(self, number: int) -> ArrayItem:
        """As of the model."""
        return self._runs.sample(number)
