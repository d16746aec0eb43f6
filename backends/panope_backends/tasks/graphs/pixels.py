"""Images as the input of a graph that `panope.json` describes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from panope_backends.graphs.description import ImageInput

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_LARGEST = 255

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_MAX_SIDE = 1280


class PixelArrays:
    """Makes the input of images.

    Args:
        wanted: how.
        name: of the input.
    """

    def __init__(self, wanted: ImageInput, name: str) -> None:
        self._wanted = wanted
        self._name = name
        self._mean, self._std = np.array(wanted.mean, np.float32), np.array(wanted.std, np.float32)

    def arrays(self, image: Image.Image, field: str) -> dict[str, NDArray[Any]]:
        """The input by its name, float32, without the batch's axis."""
        del field
        values = np.asarray(self._scaled(image), np.float32)
        if self._wanted.colors == "BGR":
            values = values[:, :, ::-1]
        low, high = self._wanted.range
        largest = max(float(values.max()), 1.0) if self._wanted.stretch_to_max else _LARGEST
        values = (values * ((high - low) / largest) + low - self._mean) / self._std
        if self._wanted.layout == "NCHW":
            values = values.transpose(2, 0, 1)
        return {self._name: np.ascontiguousarray(values, np.float32)}

    def _scaled(self, image: Image.Image) -> Image.Image | NDArray[np.uint8]:
        wanted = self._wanted
        if wanted.height is None or wanted.width is None:
            size = self._free_size(*image.size)
            return image if size == image.size else self._resampled(image, size)
        if wanted.resize == "stretch":
            return self._resampled(image, (wanted.width, wanted.height))
        box = _middle(image, wanted.width, wanted.height, wanted.crop_from)
        return self._resampled(image, (wanted.width, wanted.height), box)

    def _resampled(self, image: Image.Image, size: tuple[int, int], box: Box | None = None) -> Image.Image:
        """A box of an image, or all of it, at a size."""
        method = _FILTERS[self._wanted.interpolation]
        if self._wanted.antialias:
            return image.resize(size, method, box)
        return image.transform(size, Image.Transform.EXTENT, box or (0, 0, *image.size), method)

    def _free_size(self, width: int, height: int) -> tuple[int, int]:
        """The image's own, within the limit, with sides that the graph takes."""
        part = min(1.0, (self._wanted.max_side or _MAX_SIDE) / max(width, height))
        unit = self._wanted.multiple_of or 1
        sides = [max(1, -(-round(side * part) // unit)) * unit for side in (width, height)]
        return sides[0], sides[1]


class PaddedPixels(PixelArrays):
    """As `PixelArrays`, of images that keep their size: what is missing to the graph's is mirrored behind them."""

    def _scaled(self, image: Image.Image) -> NDArray[np.uint8]:
        given, unit = self._wanted, self._wanted.multiple_of or 1
        pixels = np.asarray(image)[: given.height, : given.width]  # tiles fit; an image to try with may not
        height, width = (
            wanted or -(-side // unit) * unit
            for side, wanted in zip(pixels.shape[:2], (given.height, given.width), strict=True)
        )
        missing = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
        return np.pad(pixels, missing, mode="symmetric")


def _middle(image: Image.Image, width: int, height: int, start: int | None) -> Box:
    """The middle as a box, after the image was scaled so far that it fits, or its shorter side to `start`.

    Only what is kept is scaled: of a long, narrow image the whole would be many times that.
    """
    part = start / min(image.size) if start else max(width / image.width, height / image.height)
    scaled = max(width, round(image.width * part)), max(height, round(image.height * part))
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    across, down = image.width / scaled[0], image.height / scaled[1]
    right, bottom = min((left + width) * across, image.width), min((top + height) * down, image.height)
    return left * across, top * down, right, bottom
