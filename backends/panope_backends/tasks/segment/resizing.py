"""Maps of values at the size of an image, strip by strip: never all of it, which for 150 labels can be gigabytes.

The values are those of `torch.nn.functional.interpolate` without aligned corners and without smoothing, `bilinear` and
`nearest`, by which transformers brings masks to the size of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Values that a strip holds, about.
_STRIP_VALUES = 4 << 20


def bilinear(maps: Floats, height: int, width: int) -> Floats:
    """Maps at another size.

    Args:
        maps: rows × columns × maps.
        height: wanted.
        width: wanted.
    """
    return np.concatenate([strip for _, strip in bilinear_strips(maps, height, width)])


def bilinear_strips(maps: Floats, height: int, width: int) -> Iterator[tuple[slice, Floats]]:
    """As `bilinear`, some rows at a time, with which rows they are."""
    upper, lower, down = _neighbours(maps.shape[0], height)
    left, right, across = _neighbours(maps.shape[1], width)
    rows = max(1, _STRIP_VALUES // max(1, width * maps.shape[2]))
    for begin in range(0, height, rows):
        at = slice(begin, min(begin + rows, height))
        between = _mixed(maps[upper[at]], maps[lower[at]], down[at, None, None])
        yield at, _mixed(between[:, left], between[:, right], across[None, :, None])


def nearest(maps: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """A map, rows × columns, at another size."""
    rows, columns = (_scaled(size, wanted) for size, wanted in zip(maps.shape, (height, width), strict=True))
    found: NDArray[Any] = maps[rows[:, None], columns]
    return found


def _scaled(size: int, wanted: int) -> NDArray[np.intp]:
    places = np.arange(wanted, dtype=np.float32) * np.float32(size / wanted)
    return np.minimum(places.astype(np.intp), size - 1)


def _neighbours(size: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each place: the two that it lies between, and how much of the second it has."""
    places = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * np.float32(size / wanted) - np.float32(0.5)
    places = np.maximum(places, 0)
    first = np.minimum(places.astype(np.intp), size - 1)
    return first, np.minimum(first + 1, size - 1), (places - first).astype(np.float32)


def _mixed(first: Floats, second: Floats, part: Floats) -> Floats:
    """The values between, in the memory of `second`, which is a copy."""
    second -= first
    second *= part
    second += first
    return second
