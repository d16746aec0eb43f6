"""One map of values at another size, by cubic convolution: `torch.nn.functional.interpolate` with `bicubic`.

Without aligned corners and without smoothing, as transformers brings maps of depth to the size of images. Source:
R. Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), with a = -0.75.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_A = np.float32(-0.75)

#: Values that a strip of rows holds, about.
_STRIP_VALUES = 4 << 20


def bicubic(values: Floats, height: int, width: int) -> Floats:
    """A map, rows × columns, at another size; strip by strip, so that it takes little more memory than its answer."""
    found = np.empty((height, width), np.float32)
    rows, down = _neighbours(values.shape[0], height)
    columns, across = _neighbours(values.shape[1], width)
    count = max(1, _STRIP_VALUES // max(1, width))
    for begin in range(0, height, count):
        at = slice(begin, min(begin + count, height))
        between = _summed([values[rows[tap, at]] * down[tap, at, None] for tap in range(4)])
        found[at] = _summed([between[:, columns[tap]] * across[tap] for tap in range(4)])
    return found


def _neighbours(size: int, wanted: int) -> tuple[NDArray[np.intp], Floats]:
    """For each place: the four that it is made of, and how much of each; both 4 × places."""
    places = (np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * np.float32(size / wanted) - np.float32(0.5)
    first = np.floor(places)
    part = places - first
    taps = np.stack([first - 1, first, first + 1, first + 2]).astype(np.intp)
    weights = np.stack([_outer(part + 1), _inner(part), _inner(1 - part), _outer(2 - part)])
    return np.clip(taps, 0, size - 1), weights.astype(np.float32)


def _summed(parts: list[Floats]) -> Floats:
    return parts[0] + parts[1] + parts[2] + parts[3]


def _inner(distance: Floats) -> Floats:
    """The weight of a value that is at most one place away."""
    return ((_A + 2) * distance - (_A + 3)) * distance * distance + 1


def _outer(distance: Floats) -> Floats:
    """That of one that is one to two places away."""
    return ((_A * distance - 5 * _A) * distance + 8 * _A) * distance - 4 * _A
