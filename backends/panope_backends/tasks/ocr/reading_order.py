"""In which order the lines of a page are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.ocr.page import Corners

Floats = NDArray[np.float32]

#: Lines are in one row whose middles are nearer, in heights of the smaller one.
_ROW = 0.5


#: A column has so many lines at least, whose middle one is so many times as wide as high: cells of tables are not.
_COLUMN_LINES, _COLUMN_RATIO = 3, 8

#: Rows with lines of one column alone, before one with another's.
_ROWS_OF_TURN = 3


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of a page that was turned upright.

    Attributes:
        middles: lines × (x, y).
        left: edges.
        right: the same.
        heights: of the lines themselves.
    """

    middles: Floats
    left: Floats
    right: Floats
    heights: Floats


def reading_order(lines: Corners) -> list[int]:
    """Rows from above downwards, and within a row from left to right, as most of the page's text stands.

    Columns of text are read one after another: parts of the page that an empty strip divides, with several lines on
    both sides that are as long as those of paragraphs. Tables, whose cells are short, are read row by row.

    Args:
        lines: lines × 4 × 2, each from the upper left corner of its text on.

    Returns:
        The places of the lines.
    """
    if not len(lines):
        return []
    turned = _upright(lines)
    heights = np.linalg.norm(lines[:, 3] - lines[:, 0], axis=1)
    across = turned[:, :, 0]
    laid = _Lines(turned.mean(axis=1), across.min(axis=1), across.max(axis=1), heights)
    return _order(_rows(range(len(lines)), laid), laid)


def _rows(lines: Iterable[int], laid: _Lines) -> list[list[int]]:
    """Lines that stand beside each other, from above downwards; each row from the left."""
    rows: list[list[int]] = []
    for line in sorted(lines, key=lambda each: float(laid.middles[each, 1])):
        if rows and _is_beside(line, rows[-1][0], laid.middles, laid.heights):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda each: float(laid.middles[each, 0])) for row in rows]


def _order(rows: Sequence[list[int]], laid: _Lines) -> list[int]:
    found: list[int] = []
    begin = 0
    while begin < len(rows):
        end, strip = _columns(rows, begin, laid)
        block = [line for row in rows[begin:end] for line in row]
        if strip is None:
            found += block
        else:
            for side in (True, False):
                found += _order(_rows([line for line in block if (laid.right[line] <= strip) == side], laid), laid)
        begin = end
    return found


def _columns(rows: Sequence[list[int]], begin: int, laid: _Lines) -> tuple[int, float | None]:
    """The end of a block of rows that begins with one, and the left edge of the strip that divides it into columns.

    There is none for a block to be read row by row.
    """
    least = float(np.median(laid.heights))
    strips = [(-np.inf, np.inf)]
    inner: list[tuple[float, float]] = []
    end = begin
    for end in range(begin, len(rows)):
        for line in rows[end]:
            strips = list(_without(strips, float(laid.left[line]), float(laid.right[line])))
        now = [(left, right) for left, right in strips if np.isfinite(left + right) and right - left >= least]
        # Lines of two columns stand beside each other, or take turns.
        if not now and (inner or end - begin >= _ROWS_OF_TURN):
            break
        inner = now
    else:
        end = len(rows)
    if not inner:
        return begin + 1, None
    lines = [line for row in rows[begin:end] for line in row]
    for left, _ in inner:
        if all(_is_column([line for line in lines if (laid.right[line] <= left) == side], laid) for side in (0, 1)):
            return end, left
    return end, None


def _is_column(lines: Sequence[int], laid: _Lines) -> bool:
    if len(lines) < _COLUMN_LINES:
        return False
    ratios = (laid.right[lines] - laid.left[lines]) / np.maximum(laid.heights[lines], 1e-6)
    return bool(np.median(ratios) >= _COLUMN_RATIO)


def _without(strips: Iterable[tuple[float, float]], left: float, right: float) -> Iterator[tuple[float, float]]:
    """What a line leaves of empty strips."""
    for begin, end in strips:
        if right <= begin or end <= left:
            yield begin, end
            continue
        if begin < left:
            yield begin, left
        if right < end:
            yield right, end


def _upright(lines: Corners) -> Corners:
    """The lines after the page was turned so that most of its text runs from left to right."""
    along = lines[:, 1] - lines[:, 0]
    # Of each quarter: how much text runs its way.
    ways = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    parts = along @ ways.T
    quarter = int(np.argmax(np.clip(parts, 0, None).sum(axis=0)))
    most = along[parts.argmax(axis=1) == quarter].sum(axis=0)
    right = most / max(float(np.linalg.norm(most)), 1e-6)
    down = np.array([-right[1], right[0]], np.float32)
    turned: Corners = np.stack([lines @ right, lines @ down], axis=-1)
    return turned


def _is_beside(line: int, first: int, middles: NDArray[np.float32], heights: NDArray[np.float32]) -> bool:
    return bool(middles[line, 1] - middles[first, 1] < _ROW * min(heights[line], heights[first]))
