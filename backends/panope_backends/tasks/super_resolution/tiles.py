"""Cuts large images into tiles that a model runs one by one, and puts what it makes of them together.

All tiles of an image are of one size, so that they run as batches. Where two overlap, each gives the half on its own
side: what a model makes of the pixels at an edge is made with nothing behind them, and is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Rows × columns × colours."""

OVERLAP = 32
"""Pixels that a tile shows beyond what is taken of it: more than 18 convolutions of 3 × 3 look around."""

_LEAST_TAKEN = 3


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one axis, in pixels of the image.

    Attributes:
        start: where it begins.
        size: how long it is.
        first: of what is taken of it.
        last: behind what is taken of it.
    """

    start: int
    size: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of an image."""

    rows: Span
    columns: Span

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom, as Pillow crops."""
        left, top = self.columns.start, self.rows.start
        return left, top, left + self.columns.size, top + self.rows.size


def tiles_of(height: int, width: int, tile_height: int, tile_width: int) -> list[Tile]:
    """The tiles of an image, row by row; one where it is no larger than a tile."""
    columns = _spans(width, tile_width)
    return [Tile(down, across) for down in _spans(height, tile_height) for across in columns]


def joined(tiles: Sequence[Tile], made: Iterator[Pixels], scale: int) -> Pixels:
    """What was made of the tiles, as one image.

    Args:
        tiles: of the image.
        made: of each tile, `scale` times as large, with more behind its right and lower edges or not.
        scale: how many times.
    """
    height, width = tiles[-1].rows.last * scale, tiles[-1].columns.last * scale
    whole = np.empty((height, width, 3), np.uint8)
    for tile, pixels in zip(tiles, made, strict=True):
        (to_rows, rows), (to_columns, columns) = (_slices(span, scale) for span in (tile.rows, tile.columns))
        whole[to_rows, to_columns] = pixels[rows, columns]
    return whole


def _spans(length: int, size: int) -> list[Span]:
    if length <= size:
        return [Span(0, length, 0, length)]
    overlap = min(OVERLAP, size // _LEAST_TAKEN)
    step = size - 2 * overlap
    starts = [*range(0, length - size, step), length - size]
    edges = [0, *((before + size + after) // 2 for before, after in itertools.pairwise(starts)), length]
    return [Span(start, size, *edges[at : at + 2]) for at, start in enumerate(starts)]


def _slices(span: Span, scale: int) -> tuple[slice, slice]:
    """Where what is taken goes to, and where it lies in what was made of the tile."""
    first, last = span.first * scale, span.last * scale
    start = span.start * scale
    return slice(first, last), slice(first - start, last - start)
