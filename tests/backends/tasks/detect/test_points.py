"""Things that are known by their points, and boxes of rows."""

from __future__ import annotations

import numpy as np
import pytest

from panope_backends.graphs.decoders import BoxRows, CenterPoints, Keypoints
from panope_backends.tasks.detect.answers import detections_message
from panope_backends.tasks.detect.center_points import PointBoxes
from panope_backends.tasks.detect.points import PointPlaces, poses
from panope_backends.tasks.detect.rows import RowBoxes

TWO = ["nose", "eye"]


@pytest.mark.parametrize(("order", "first"), [("yx", (0.25, 0.5)), ("xy", (0.5, 0.25))])
def test_points_come_to_the_pixels_of_the_image(order: str, first: tuple[float, float]) -> None:
    values = np.array([[[*first, 0.75], [1, 1, 0.25]]], np.float32)
    found = PointPlaces(Keypoints(points=TWO, order=order))({"keypoints": values}, 200, 100, 0.0)  # type: ignore[arg-type]
    assert found.keypoints is not None
    assert found.keypoints[0].tolist() == [[100, 25, 0.75], [200, 100, 0.25]]
    assert (found.corners[0].tolist(), found.scores.tolist()) == ([100, 25, 200, 100], [0.5])


def test_the_surest_comes_first_with_its_own_points() -> None:
    points = np.array([[[1, 2, 0.1]], [[3, 4, 0.9]], [[5, 6, 0.5]]], np.float32)
    kept = poses(points).over(0.2, 10)
    assert kept.keypoints is not None
    assert kept.keypoints[:, 0].tolist() == [[3, 4, pytest.approx(0.9)], [5, 6, 0.5]]
    message = detections_message(9, 8, kept, ["person"], ["nose"])
    assert (list(message.labels), list(message.keypoint_names)) == (["person"] * 2, ["nose"])
    assert list(message.keypoints) == pytest.approx([3, 4, 0.9, 5, 6, 0.5])


def test_landmarks_lie_in_parts_of_their_box_from_its_corner() -> None:
    decoder = CenterPoints("h", "s", "o", stride=4, landmarks="l", points=TWO)
    heatmap, nothing = np.zeros((1, 8, 8), np.float32), np.zeros((2, 8, 8), np.float32)
    heatmap[0, 3, 5] = 0.875
    sizes = np.full((2, 8, 8), np.log(4), np.float32)  # 16 pixels
    landmarks = np.zeros((4, 8, 8), np.float32)
    landmarks[:, 3, 5] = [0.5, 0.25, 1, 0]  # down and right of the first, and of the second
    row = {"heatmap": heatmap, "sizes": sizes, "offsets": nothing, "landmarks": landmarks}
    found = PointBoxes(decoder)(row, 64, 32, 0.5)  # twice as wide as the graph saw
    assert found.corners.tolist() == [[28, 6, 60, 22]]
    assert found.keypoints is not None
    assert found.keypoints.tolist() == [[[36, 14, 0.875], [28, 22, 0.875]]]
    nobody = PointBoxes(decoder)(row, 64, 32, 0.9)
    assert nobody.keypoints is not None
    assert (len(nobody.scores), nobody.keypoints.shape) == (0, (0, 2, 3))


def test_rows_are_boxes_of_labels_that_there_are() -> None:
    rows = np.array(
        [[0, 0, 8, 8, 0.5, 1], [2, 2, 4, 4, 0.9, 0], [1, 1, 2, 2, 0.8, 7], [1, 1, 2, 2, 0.8, -1]], np.float32
    )
    found = RowBoxes(BoxRows(), 2, 16, 8)({"boxes": rows[None]}, 32, 8, 0.1)
    assert (found.labels.tolist(), found.scores.tolist()) == ([0, 1], pytest.approx([0.9, 0.5]))
    assert found.corners.tolist() == [[4, 2, 8, 4], [0, 0, 16, 8]]
    parts = RowBoxes(BoxRows(places="parts"), 2, 1, 1)({"boxes": rows[:1] / [[1, 1, 8, 8, 1, 1]]}, 32, 8, 0.1)
    assert parts.corners.tolist() == [[0, 0, 32, 8]]
