"""Lines cut from a page, set upright, and scaled to what classifier and recognizer take."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panope_backends.graphs.ocr_description import TextOrientation, TextRecognizer
from panope_backends.tasks.ocr.opencv import cv2
from panope_backends.tasks.ocr.page import Corners, Pixels

#: How many times as high as wide a line is that is set from above downwards, or turned by a quarter.
_UPRIGHT_RATIO = 1.5

#: Lines whose widths are rounded up to one multiple of this run together.
WIDTH_STEP = 64


@dataclass(slots=True)
class Line:
    """One line on its way.

    Attributes:
        page: the place of its page among those of the request.
        corners: 4 × 2, in pixels of the page; from the upper left corner of its text on, as the hands of a clock turn.
        turn: what the classifier sees; None without one.
        pixels: what the recognizer sees, without filling.
    """

    page: int
    corners: Corners
    turn: Pixels | None
    pixels: Pixels

    def stand_on_head(self) -> None:
        """Turns it by 180°."""
        self.corners = np.roll(self.corners, 2, axis=0)
        self.pixels = np.ascontiguousarray(self.pixels[::-1, ::-1])


def cut_line(
    page: int, pixels: Pixels, corners: Corners, recognizer: TextRecognizer, orientation: TextOrientation | None
) -> Line:
    """A line of a page.

    Args:
        page: its place.
        pixels: of the page.
        corners: of the line, from the upper left one on.
        recognizer: that reads it.
        orientation: that tells whether it stands on its head; None for lines that never do.
    """
    across = max(_length(corners, 0, 1), _length(corners, 2, 3), 1)
    down = max(_length(corners, 0, 3), _length(corners, 1, 2), 1)
    straight = np.array([[0, 0], [across, 0], [across, down], [0, down]], np.float32)
    cut = cv2.warpPerspective(
        pixels,
        cv2.getPerspectiveTransform(corners, straight),
        (across, down),
        borderMode=cv2.BORDER_REPLICATE,
        flags=cv2.INTER_CUBIC,
    )
    if down / across >= _UPRIGHT_RATIO:
        cut, corners = np.rot90(cut), np.roll(corners, -1, axis=0)
    return Line(
        page,
        corners,
        None if orientation is None else _scaled(cut, orientation.height, orientation.width),
        _scaled(cut, recognizer.height, recognizer.max_width),
    )


def filled(pixels: Pixels, width: int) -> Pixels:
    """A line with columns behind it, which are set to zero when they have become the graph's values."""
    made = np.zeros((pixels.shape[0], width, pixels.shape[2]), np.uint8)
    made[:, : pixels.shape[1]] = pixels
    return made


def group_width(pixels: Pixels, recognizer: TextRecognizer) -> int:
    """What a line is filled up to, so that it runs with others."""
    width: int = pixels.shape[1]
    steps = -(-max(width - recognizer.width, 0) // WIDTH_STEP)
    return min(recognizer.width + steps * WIDTH_STEP, recognizer.max_width)


def _scaled(cut: NDArray[np.uint8], height: int, max_width: int) -> Pixels:
    rows, columns = cut.shape[:2]
    width = min(math.ceil(height * columns / rows), max_width)
    made: Pixels = cv2.resize(np.ascontiguousarray(cut), (width, height), interpolation=cv2.INTER_LINEAR)
    return made


def _length(corners: Corners, one: int, other: int) -> int:
    return int(float(np.linalg.norm(corners[one] - corners[other])))
