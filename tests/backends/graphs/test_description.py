"""What `panope.json` may say, and how it is refused."""

import copy
import math
from typing import Any

import pytest

from panope_backends.graphs.description import DescriptionError, LabelScores, read_description

GOOD: dict[str, Any] = {
    "version": 1,
    "task": "classify",
    "input": {"height": 224, "width": 224, "mean": [0.5, 0.5, 0.5]},
    "output": {"decoder": "labels"},
    "labels": ["cat", "dog"],
}


def changed(path: str, value: object) -> dict[str, Any]:
    content = copy.deepcopy(GOOD)
    *parts, last = path.split(".")
    target = content
    for part in parts:
        target = target[part]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return content


def test_what_is_left_out_has_defaults() -> None:
    found = read_description(GOOD)
    assert found.output == LabelScores(logits="", function="softmax")
    assert (found.input.layout, found.input.colors, found.input.range) == ("NCHW", "RGB", [0, 1])


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("version", 2, "`version`"),
        ("task", "embed", "`task`"),
        ("labels", None, "`labels`"),
        ("labels", [], "`labels`"),
        ("input.colours", "RGB", "`colours`"),
        ("input.mean", [0.5], "`input.mean`"),
        ("input.layout", "CHWN", "`input.layout`"),
        ("input.height", None, "`input.height` and `input.width` go together"),
        ("input.multiple_of", 32, "`input.multiple_of` is for graphs that take any size"),
        ("input.crop_from", 256, "`input.crop_from` goes with"),
        ("input.std", [1, 0, 1], "`input.std` must not be nearer to 0 than"),
        ("input.std", [1, 1e-60, 1], "`input.std` must not be nearer to 0 than"),
        ("input.mean", [0, math.nan, 0], r"`input\.mean\[1\]`"),
        ("input.std", [1, 1, math.inf], r"`input\.std\[2\]`"),
        ("input.range", [0, 1e300], r"`input\.range\[1\]`"),
        ("input.range", [1, 1], "`input.range` must hold two values that differ"),
        ("labels", ["a", "\ud800"], r"`labels\[1\]` is no text"),
        ("output.decoder", "yolo", "`output.decoder`|Invalid value 'yolo'"),
        ("output", {"decoder": "salient-mask", "mask": "y"}, "of the task `classify` must be `labels`"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(path: str, value: object, words: str) -> None:
    with pytest.raises(DescriptionError, match=words):
        read_description(changed(path, value))


def test_a_crop_is_for_labels_alone() -> None:
    mask = changed("output", {"decoder": "salient-mask", "mask": "y"}) | {"task": "segment", "labels": ["it"]}
    read_description(mask)
    mask["input"]["resize"] = "crop"
    with pytest.raises(DescriptionError, match="`crop` leaves out what the task `segment` tells of"):
        read_description(mask)
    mask["input"]["resize"] = "stretch"
    with pytest.raises(DescriptionError, match="`labels` must have one label"):
        read_description(mask | {"labels": ["it", "that"]})
