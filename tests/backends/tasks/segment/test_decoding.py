"""Segments of an image, from what models say."""

import numpy as np
import pytest

from panope_backends.tasks.segment import resizing
from panope_backends.tasks.segment.decoding import (
    NOTHING,
    MaskQueries,
    Thresholds,
    instance_map,
    panoptic_map,
    semantic_map,
)
from panope_backends.tasks.segment.resizing import bilinear, nearest

#: Two masks, of the left and the right half, and a third one of the left half that the first covers.
LEFT = [[4.0, 4.0, -4.0, -4.0]] * 2
RIGHT = [[-4.0, -4.0, 4.0, 4.0]] * 2
WEAK = [[1.0, 1.0, -4.0, -4.0]] * 2


def queries(scores: list[list[float]], masks: list[list[list[float]]]) -> MaskQueries:
    return MaskQueries.of(np.log(np.array(scores, np.float32)), np.array(masks, np.float32), 0)


def test_values_between_places_are_mixed_and_edges_go_on() -> None:
    line = np.array([0, 4], np.float32).reshape(1, 2, 1)
    assert bilinear(line, 1, 4).ravel().tolist() == [0, 1, 3, 4]
    assert nearest(line[:, :, 0], 2, 3).tolist() == [[0, 0, 4]] * 2
    assert bilinear(np.arange(4, dtype=np.float32).reshape(1, 4, 1), 1, 2).ravel().tolist() == [0.5, 2.5]


def test_an_image_comes_strip_by_strip_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = np.random.default_rng(0).standard_normal((5, 7, 3)).astype(np.float32)
    whole = bilinear(maps, 40, 30)
    monkeypatch.setattr(resizing, "_STRIP_VALUES", 1)
    assert np.array_equal(bilinear(maps, 40, 30), whole)


def test_each_label_that_is_highest_somewhere_is_a_segment() -> None:
    values = np.zeros((2, 2, 4), np.float32)
    values[:, 0, 3], values[:, 1, 1] = 1, 1
    found = semantic_map(values, 2, 2)
    assert found.labels.tolist() == [1, 3]
    assert found.pixels.tolist() == [[1, 0]] * 2
    assert found.scores is None


def test_a_mask_that_others_cover_is_no_panoptic_segment() -> None:
    found = panoptic_map(
        queries([[0.95, 0.03, 0.02], [0.01, 0.97, 0.02], [0.91, 0.05, 0.04]], [LEFT, RIGHT, WEAK]),
        2,
        4,
        Thresholds(score=0.9),
    )
    assert found.labels.tolist() == [0, 1]
    assert found.scores == pytest.approx([0.95, 0.97])
    assert found.pixels.tolist() == [[0, 0, 1, 1]] * 2


def test_masks_of_nothing_and_of_low_scores_are_no_segments() -> None:
    found = panoptic_map(queries([[0.01, 0.01, 0.98], [0.6, 0.3, 0.1]], [LEFT, RIGHT]), 2, 4, Thresholds())
    assert len(found.labels) == 0
    assert (found.pixels == NOTHING).all()


def test_the_instance_of_the_higher_score_lies_over_the_other() -> None:
    found = instance_map(queries([[0.9, 0.05, 0.05], [0.1, 0.6, 0.3]], [WEAK, LEFT]), 2, 4, 0.5)
    sigmoid = 1 / (1 + np.exp(-np.array([4.0, 1.0])))
    assert found.scores == pytest.approx([0.6 * sigmoid[0], 0.9 * sigmoid[1]], abs=1e-5)
    assert found.labels.tolist() == [1, 0]
    assert found.pixels.tolist() == [[1, 1, NOTHING, NOTHING]] * 2
