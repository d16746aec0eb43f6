"""What detectors say, as boxes in the image's pixels."""

import numpy as np
import pytest

from panope_backends.tasks.detect.decoding import decode_boxes

CENTRED = np.array([[0.5, 0.5, 0.5, 0.5], [0.25, 0.25, 0.5, 0.5]], np.float32)


def test_a_class_more_than_labels_says_that_nothing_is_there() -> None:
    logits = np.log(np.array([[0.7, 0.1, 0.2], [0.02, 0.9, 0.08]], np.float32))
    found = decode_boxes(logits, CENTRED, 2, 100, 40)
    assert found.scores == pytest.approx([0.9, 0.7])
    assert found.labels.tolist() == [1, 0]
    assert found.corners.tolist() == [[0, 0, 50, 20], [25, 10, 75, 30]]


def test_without_one_each_label_of_a_box_counts_by_itself() -> None:
    probabilities = np.array([[0.9, 0.8], [0.3, 0.1]], np.float32)
    found = decode_boxes(np.log(probabilities / (1 - probabilities)), CENTRED, 2, 100, 40)
    assert found.scores == pytest.approx([0.9, 0.8])
    assert found.labels.tolist() == [0, 1]
    assert found.corners.tolist() == [[25, 10, 75, 30]] * 2


def test_boxes_are_told_over_the_threshold_and_no_more_than_asked_for() -> None:
    logits = np.log(np.array([[0.7, 0.1, 0.2], [0.02, 0.9, 0.08]], np.float32))
    found = decode_boxes(logits, CENTRED, 2, 100, 40)
    assert found.over(0.8, 10).labels.tolist() == [1]
    assert found.over(0.0, 1).labels.tolist() == [1]
    assert found.over(0.95, 10).corners.shape == (0, 4)
