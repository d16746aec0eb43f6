"""Boxes around middles, as CenterFace has them."""

import numpy as np
import pytest

from panope_backends.graphs.decoders import CenterPoints
from panope_backends.tasks.detect.center_points import PointBoxes

DECODER = PointBoxes(CenterPoints(heatmap="h", sizes="s", offsets="o", stride=4, overlap=0.3))


def grid(*points: tuple[int, int, float]) -> dict[str, np.ndarray]:
    """Points by row, column and score, each 8 high and 16 wide."""
    heatmap = np.zeros((1, 8, 8), np.float32)
    for row, column, score in points:
        heatmap[0, row, column] = score
    sizes = np.log(np.stack([np.full((8, 8), 2.0), np.full((8, 8), 4.0)])).astype(np.float32)
    return {"heatmap": heatmap, "sizes": sizes, "offsets": np.full((2, 8, 8), 0.25, np.float32)}


def test_a_box_lies_around_its_middle_in_pixels_of_the_image() -> None:
    found = DECODER(grid((3, 4, 0.9)), 64, 32, 0.5)  # the graph saw 32 × 32
    assert found.scores == pytest.approx([0.9])
    assert found.corners == pytest.approx(np.array([[22, 11, 54, 19]]))


def test_of_boxes_that_overlap_the_higher_score_is_told() -> None:
    found = DECODER(grid((3, 4, 0.7), (3, 5, 0.9), (7, 0, 0.6), (0, 0, 0.2)), 32, 32, 0.5)
    assert found.scores == pytest.approx([0.9, 0.6])
    assert found.corners.min() >= 0
    assert found.corners.max() <= 32
    assert len(DECODER(grid(), 32, 32, 0.5).scores) == 0
