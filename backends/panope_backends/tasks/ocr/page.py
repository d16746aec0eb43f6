"""Pages as lines are looked for and cut from: scaled to a size that the detector reads, long strips padded.

The sizes are those of RapidOCR (`rapidocr_onnxruntime`, `preprocess` and `maybe_add_letterbox`), so that lines are
those that it finds; what it leaves without a bound has one here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panope_backends.graphs.ocr_description import TextDetector
from panope_backends.tasks.ocr.opencv import cv2

Pixels = NDArray[np.uint8]
"""Height × width × RGB."""

Corners = NDArray[np.float32]
"""… × 4 × (x, y), in pixels."""

#: A shorter side of fewer pixels is scaled up to them.
_MIN_SIDE = 30

#: A strip is padded whose longer side is more times the other.
_MAX_RATIO = 8


@dataclass(slots=True)
class Page:
    """One image of a request.

    Attributes:
        pixels: of the page as it is read.
        width: of the image as it is shown, in pixels.
        height: the same.
        left: of the pixels' columns, those that were added.
        top: of their rows.
        scale: the image's pixels in one of the page's, across and down.
    """

    pixels: Pixels
    width: int
    height: int
    left: int
    top: int
    scale: tuple[float, float]

    def in_image(self, corners: Corners) -> Corners:
        """Points of the page as points of the image, inside it."""
        moved = (corners - np.array([self.left, self.top], np.float32)) * np.array(self.scale, np.float32)
        bounded: Corners = np.clip(moved, 0, np.array([self.width, self.height], np.float32))
        return bounded


def page_of(image: Pixels, detector: TextDetector) -> Page:
    """An image as a page.

    Args:
        image: to read.
        detector: that lines are looked for by.
    """
    height, width = image.shape[:2]
    pixels = _resized(image, _page_size(height, width, detector))
    rows, columns = pixels.shape[:2]
    top, left = _padding(rows, columns), _padding(columns, rows)
    if top or left:
        pixels = np.pad(pixels, ((top, top), (left, left), (0, 0)))
    return Page(pixels, width, height, left, top, (width / columns, height / rows))


def angle_of(corners: Corners) -> float:
    """The direction in which a text with these four corners runs, in degrees: 0 to the right, 90 downwards."""
    along = corners[1] - corners[0]
    return math.degrees(math.atan2(along[1], along[0]))


def detector_pixels(page: Page, detector: TextDetector) -> Pixels:
    """What the detector sees of a page: sides that it takes, and no less than it was trained with."""
    height, width = page.pixels.shape[:2]
    part = max(1.0, detector.min_side / min(height, width))
    # No more than a page of the largest size has: a strip, whose shorter side decides, grows no further.
    part = min(part, math.sqrt(detector.max_side**2 / (height * width)))
    sides = _multiple(int(height * part), detector), _multiple(int(width * part), detector)
    return _resized(page.pixels, sides)


def _page_size(height: int, width: int, detector: TextDetector) -> tuple[int, int]:
    longer, shorter = max(height, width), min(height, width)
    if longer > detector.max_side:
        part = detector.max_side / longer
    elif shorter < _MIN_SIDE:
        part = min(_MIN_SIDE / shorter, detector.max_side / longer)
    else:
        return height, width
    return _multiple(int(height * part), detector), _multiple(int(width * part), detector)


def _padding(short: int, long: int) -> int:
    """Pixels before and behind a side that is short beside the other, or at all."""
    if short > _MIN_SIDE and long <= short * _MAX_RATIO:
        return 0
    if long < short:  # the other side is the short one
        return 0
    return abs(max(long // _MAX_RATIO, _MIN_SIDE) * 2 - short) // 2


def _multiple(side: int, detector: TextDetector) -> int:
    return max(1, round(side / detector.multiple_of)) * detector.multiple_of


def _resized(pixels: NDArray[Any], size: tuple[int, int]) -> Pixels:
    """Bilinear, as OpenCV does it and the graphs were trained; `size` is height and width."""
    if pixels.shape[:2] == size:
        return pixels
    made: Pixels = cv2.resize(pixels, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return made
