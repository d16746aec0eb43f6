"""Boxes whose edges are distributions, from values that are made here."""

from __future__ import annotations

import numpy as np
import pytest

from panope_backends.graphs.decoders import DistributionBoxes
from panope_backends.tasks.detect.distribution_boxes import EdgeBoxes

BINS = 8


def grids(height: int, width: int, *strides: int) -> tuple[EdgeBoxes, dict[str, np.ndarray]]:
    """A decoder of two labels, and values of nothing anywhere."""
    count = len(strides)
    decoder = DistributionBoxes(scores=["s"] * count, distances=["d"] * count, strides=list(strides))
    row = {}
    for at, stride in enumerate(strides):
        places = -(-height // stride) * -(-width // stride)
        row[f"scores[{at}]"] = np.zeros((places, 2), np.float32)
        row[f"distances[{at}]"] = np.zeros((places, 4 * BINS), np.float32)
    return EdgeBoxes(decoder, height, width), row


def put(row: dict[str, np.ndarray], grid: int, place: int, label: int, score: float, *away: int) -> None:
    """A thing at a place, whose edges are so many strides away."""
    row[f"scores[{grid}]"][place, label] = score
    for edge, strides in enumerate(away):
        row[f"distances[{grid}]"][place, edge * BINS + strides] = 50


def test_a_box_is_as_far_around_its_place_as_its_distances_say() -> None:
    decode, row = grids(64, 100, 8, 16)  # 13 and 7 columns
    put(row, 0, 2 * 13 + 3, 1, 0.9, 1, 2, 3, 0)  # its middle is at 28, 20
    put(row, 1, 1 * 7 + 5, 0, 0.6, 1, 1, 1, 1)  # at 88, 24
    found = decode(row, 200, 64, 0.5)  # of an image that is twice as wide as what the graph saw
    assert found.scores == pytest.approx([0.9, 0.6])
    assert found.labels.tolist() == [1, 0]
    assert found.corners == pytest.approx(np.array([[40, 4, 104, 20], [144, 8, 200, 40]]), abs=1e-3)


def test_distances_are_the_means_of_their_distributions() -> None:
    decode, row = grids(64, 64, 16)
    put(row, 0, 5, 0, 0.9)
    found = decode(row, 64, 64, 0.5)  # all distances are as likely: 3.5 strides, which reach past the edges
    assert found.corners == pytest.approx(np.array([[0, 0, 64, 64]]))


def test_of_boxes_of_a_label_that_overlap_the_highest_score_is_told() -> None:
    decode, row = grids(64, 64, 8)
    put(row, 0, 27, 0, 0.7, 2, 2, 2, 2)
    put(row, 0, 28, 0, 0.9, 2, 2, 2, 2)
    put(row, 0, 35, 1, 0.8, 2, 2, 2, 2)
    found = decode(row, 64, 64, 0.5)
    assert found.scores == pytest.approx([0.9, 0.8])
    assert found.labels.tolist() == [0, 1]


def test_nothing_over_the_threshold_is_no_box() -> None:
    decode, row = grids(64, 64, 8, 16)
    assert decode(row, 64, 64, 0.0).scores.size == 0
