"""Masks as callers get them, and their bounds."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panope_backends.errors import InvalidInputError
from panope_backends.tasks.segment import masks
from panope_backends.tasks.segment.decoding import NOTHING, SegmentMap
from panope_backends.tasks.segment.masks import MaskOptions, runs_of, segments_message

NAMES = ("sky", "fox")
PIXELS = np.array([[0, 0, NOTHING], [0, 1, 1]], np.uint16)


def found(scores: list[float] | None = None) -> SegmentMap:
    return SegmentMap(PIXELS, np.array([0, 1]), None if scores is None else np.array(scores, np.float32))


@pytest.mark.parametrize(("scores", "order"), [(None, ["sky", "fox"]), ([0.3, 0.8], ["fox", "sky"])])
def test_the_highest_score_comes_first_or_else_the_largest_area(scores: list[float] | None, order: list[str]) -> None:
    message = segments_message(found(scores), NAMES, MaskOptions(10, run_lengths=False), "images[0]")
    assert (message.width, message.height) == (3, 2)
    assert [each.label for each in message.segments] == order
    assert [each.HasField("score") for each in message.segments] == [scores is not None] * 2
    told = {each.label: each for each in message.segments}
    assert (told["fox"].area, list(told["fox"].corners)) == (2, [1, 1, 3, 2])
    with Image.open(io.BytesIO(told["fox"].png)) as mask:
        assert mask.mode == "L"
        assert np.asarray(mask).tolist() == [[0, 0, 0], [0, 255, 255]]
    (best,) = segments_message(found(scores), NAMES, MaskOptions(1, run_lengths=False), "images[0]").segments
    assert best.label == order[0]


def test_runs_go_column_by_column_from_outside() -> None:
    assert runs_of(PIXELS == 0).tolist() == [0, 3, 3]
    assert runs_of(PIXELS == 1).tolist() == [3, 1, 1, 1]
    assert runs_of(PIXELS == 7).tolist() == [6]
    message = segments_message(found(), NAMES, MaskOptions(10, run_lengths=True), "images[0]")
    assert [list(each.runs) for each in message.segments] == [[0, 3, 3], [3, 1, 1, 1]]
    assert not any(each.png for each in message.segments)


def test_a_segment_of_no_pixel_is_not_told() -> None:
    empty = SegmentMap(PIXELS, np.array([0, 1, 1]), np.array([0.1, 0.2, 0.9], np.float32))
    message = segments_message(empty, NAMES, MaskOptions(10, run_lengths=False), "images[0]")
    assert [each.label for each in message.segments] == ["fox", "sky"]


@pytest.mark.parametrize(("limit", "run_lengths"), [("MAX_MASK_PIXELS", False), ("MAX_MASK_BYTES", True)])
def test_masks_that_are_too_large_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, limit: str, run_lengths: bool
) -> None:
    monkeypatch.setattr(masks, limit, 11)
    with pytest.raises(InvalidInputError, match=r"the masks of `images\[3\]` have .*the limit is 11") as caught:
        segments_message(found(), NAMES, MaskOptions(10, run_lengths=run_lengths), "images[3]")
    fields: Any = caught.value
    assert fields.field == "max_segments"
