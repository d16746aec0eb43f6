"""From the detector's map of probabilities to the outlines of lines.

Source: the post-processing of differentiable binarization (M. Liao et al., "Real-time Scene Text Detection with
Differentiable Binarization", 2020) as PaddleOCR's `DBPostProcess` has it, with rectangles. It grows each rectangle as a
polygon with round corners and takes the smallest rectangle around that, which is the rectangle grown on all sides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from panope_backends.graphs.ocr_description import TextDetector
from panope_backends.tasks.ocr.opencv import cv2
from panope_backends.tasks.ocr.page import Corners

#: Sides of rectangles that are no text, in places of the map: before and after they grow.
_MIN_SIDE, _MIN_GROWN = 3, 5

#: Sides of lines that are too small to be read, in pixels of the page.
_MIN_PIXELS = 3

#: Outlines that are looked at. Only noise has so many.
MAX_OUTLINES = 50_000


class TooManyOutlinesError(Exception):
    """The map has more outlines than any page."""


def find_lines(probabilities: NDArray[np.float32], detector: TextDetector, height: int, width: int) -> Corners:
    """The lines of one page.

    Args:
        probabilities: rows × columns, of each place that it lies in text.
        detector: what counts as a line.
        height: of the page, in pixels.
        width: the same.

    Returns:
        Lines × 4 × 2: the corners, from the upper left one on as the hands of a clock turn.

    Raises:
        TooManyOutlinesError: there are more than `MAX_OUTLINES`.
    """
    mask = (probabilities > detector.threshold).astype(np.uint8)
    if detector.dilate:
        mask = cv2.dilate(mask, np.ones((2, 2), np.uint8)).astype(np.uint8)
    outlines, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if len(outlines) > MAX_OUTLINES:
        raise TooManyOutlinesError
    rows, columns = mask.shape
    scale = np.array([width / columns, height / rows], np.float32)
    found = []
    for outline, place in zip(outlines, hierarchy[0] if len(outlines) else (), strict=True):
        if place[3] != -1:  # the edge of a hole
            continue
        grown = _grown(outline, probabilities, detector)
        if grown is not None:
            corners = np.clip(np.round(grown * scale), 0, (width, height))
            corners = np.clip(_clockwise(corners.astype(np.float32)), 0, (width - 1, height - 1))
            if min(_length(corners[0], corners[1]), _length(corners[0], corners[3])) > _MIN_PIXELS:
                found.append(corners)
    return np.array(found, np.float32).reshape(-1, 4, 2)


def _grown(
    outline: NDArray[np.int32], probabilities: NDArray[np.float32], detector: TextDetector
) -> NDArray[np.float32] | None:
    """The corners of the rectangle around an outline, made larger; None where it is no text."""
    middle, (across, down), angle = cv2.minAreaRect(outline)
    if min(across, down) < _MIN_SIDE:
        return None
    if _mean_within(probabilities, cv2.boxPoints((middle, (across, down), angle))) < detector.box_threshold:
        return None
    further = across * down * detector.expand / (across + down)  # on both sides together
    # PaddleOCR grows a polygon with corners in whole places.
    whole = cv2.boxPoints((middle, (across, down), angle)).astype(np.int32)
    middle, (across, down), angle = cv2.minAreaRect(whole)
    if min(across, down) + further < _MIN_GROWN:
        return None
    grown: NDArray[np.float32] = cv2.boxPoints((middle, (across + further, down + further), angle))
    return grown


def _mean_within(probabilities: NDArray[np.float32], corners: NDArray[np.float32]) -> float:
    rows, columns = probabilities.shape
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (columns - 1, rows - 1))
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, (columns - 1, rows - 1))
    inside = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(inside, [(corners - (left, top)).astype(np.int32)], (1,))
    return float(cv2.mean(probabilities[top : bottom + 1, left : right + 1], inside)[0])


def _clockwise(corners: Corners) -> Corners:
    """From the upper one of the two left corners on."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left, right = (side[np.argsort(side[:, 1], kind="stable")] for side in (by_x[:2], by_x[2:]))
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


def _length(one: NDArray[np.float32], other: NDArray[np.float32]) -> int:
    return int(np.linalg.norm(one - other))
