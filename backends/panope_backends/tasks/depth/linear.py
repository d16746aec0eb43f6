"""One map of values at another size, by straight lines: `torch.nn.functional.interpolate` with `bilinear`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.depth.bicubic import Floats


def linear(values: Floats, height: int, width: int, *, to_corners: bool = False) -> Floats:
    """A map, rows × columns, at another size.

    Args:
        values: the map.
        height: wanted.
        width: wanted.
        to_corners: whether its corners stay where they are (`align_corners`).
    """
    upper, lower, down = _neighbours(values.shape[0], height, to_corners)
    left, right, across = _neighbours(values.shape[1], width, to_corners)
    columns = values[:, left] * (1 - across) + values[:, right] * across
    found = columns[upper] * (1 - down[:, None]) + columns[lower] * down[:, None]
    return found.astype(np.float32, copy=False)


def _neighbours(size: int, wanted: int, to_corners: bool) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each place: the two that it lies between, and how much of the second it has."""
    places = np.arange(wanted, dtype=np.float32)
    if to_corners:
        places *= np.float32((size - 1) / (wanted - 1) if wanted > 1 else 0)
    else:
        places = np.maximum((places + np.float32(0.5)) * np.float32(size / wanted) - np.float32(0.5), 0)
    first = np.minimum(places.astype(np.intp), size - 1)
    return first, np.minimum(first + 1, size - 1), (places - first).astype(np.float32)
