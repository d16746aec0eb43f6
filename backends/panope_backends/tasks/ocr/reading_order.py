"""In which order the lines of a page are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.ocr.page import Corners

#: Lines are in one row whose middles are nearer, in heights of the smaller one.
_ROW = 0.5


def reading_order(lines: Corners) -> list[int]:
    """Rows from above downwards, and within a row from left to right, as most of the page's text stands.

    Args:
        lines: lines × 4 × 2, each from the upper left corner of its text on.

    Returns:
        The places of the lines.
    """
    if not len(lines):
        return []
    turned = _upright(lines)
    middles = turned.mean(axis=1)
    heights = np.linalg.norm(lines[:, 3] - lines[:, 0], axis=1)
    rows: list[list[int]] = []
    for line in np.argsort(middles[:, 1], kind="stable").tolist():
        if rows and _is_beside(line, rows[-1][0], middles, heights):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda each: float(middles[each, 0]))]


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
