"""What `panope.json` may say, and how it is refused."""

import copy
import math
from typing import Any

import pytest

from panope_backends.graphs.decoders import LabelScores, Pixels
from panope_backends.graphs.description import Description, read_description
from panope_backends.graphs.frame_description import FrameDescription
from panope_backends.graphs.ocr_description import OcrDescription
from panope_backends.graphs.terms import DescriptionError

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
    assert isinstance(found, Description)
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
        ("input", {"interpolation": "lanczos", "antialias": False}, "`input.antialias` must be true"),
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


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("input", {}, "`input.height` and `input.width` are needed by the decoder"),
        ("output.strides", [8], "must be one for each grid"),
        ("output.strides", [0, 16], "`output.strides"),
        ("output.scores", [], "`output.scores`"),
    ],
)
def test_boxes_of_grids_need_a_size_and_as_many_outputs_as_grids(path: str, value: object, words: str) -> None:
    output = {"decoder": "distribution-boxes", "scores": ["a", "b"], "distances": ["c", "d"], "strides": [8, 16]}
    content: dict[str, Any] = {**GOOD, "task": "detect", "input": {"height": 16, "width": 16}, "output": output}
    read_description(content)
    name, _, inner = path.partition(".")
    content[name] = {**content[name], inner: value} if inner else value
    with pytest.raises(DescriptionError, match=words):
        read_description(content)


OCR: dict[str, Any] = {
    "version": 1,
    "task": "ocr",
    "detector": {"file": "det.onnx"},
    "recognizer": {"file": "models/rec.onnx"},
}


def test_graphs_that_read_text_are_those_of_pp_ocr_unless_they_say_otherwise() -> None:
    found = read_description(OCR)
    assert isinstance(found, OcrDescription)
    assert (found.orientation, found.architecture) == (None, "db-ctc")
    assert list(found.graphs) == ["detector", "recognizer"]
    assert (found.detector.expand, found.recognizer.width, found.recognizer.colors) == (1.6, 320, "BGR")
    turned = read_description({**OCR, "orientation": {"file": "cls.onnx"}})
    assert isinstance(turned, OcrDescription)
    assert list(turned.graphs) == ["detector", "orientation", "recognizer"]


@pytest.mark.parametrize(
    ("graph", "changed", "words"),
    [
        ("detector", None, "`detector`"),
        ("detector", {"file": "/det.onnx"}, "`detector.file` must be the path of an ONNX file"),
        ("detector", {"file": "../det.onnx"}, "`detector.file` must be the path"),
        ("detector", {"file": "det.pkl"}, "`detector.file` must be the path"),
        ("detector", {"file": "models/rec.onnx"}, "`file` must differ"),
        ("detector", {"file": "a.onnx", "unclip_ratio": 2}, "`unclip_ratio`"),
        ("detector", {"file": "a.onnx", "expand": math.nan}, r"`detector\.expand`"),
        ("detector", {"file": "a.onnx", "min_side": 3000}, "`detector.min_side` must not be more"),
        ("detector", {"file": "a.onnx", "std": [0, 1, 1]}, "`detector.std` must not be nearer to 0"),
        ("recognizer", {"file": "a.onnx", "characters": ["a", ""]}, "must not have empty texts"),
        ("recognizer", {"file": "a.onnx", "characters": ["\ud800"]}, r"`recognizer\.characters\[0\]` is no text"),
        ("recognizer", {"file": "a.onnx", "max_width": 100}, "`recognizer.width` must not be more"),
        ("orientation", {"file": "a.onnx", "height": 1}, "`orientation.height`"),
        ("input", {"height": 3}, "`input`"),
    ],
)
def test_what_is_wrong_of_graphs_that_read_text_is_refused_by_its_name(graph: str, changed: Any, words: str) -> None:
    content = {name: value for name, value in {**OCR, graph: changed}.items() if value is not None}
    with pytest.raises(DescriptionError, match=words):
        read_description(content)


def test_images_that_are_made_have_no_labels_and_are_not_scaled_before() -> None:
    made = {"version": 1, "task": "super-resolution", "input": {}, "output": {"decoder": "image", "scale": 4}}
    found = read_description(made)
    assert found.output == Pixels(scale=4)
    assert found.labels == []
    for change, words in (
        ({"labels": ["a"]}, "`labels` must be left out for the task `super-resolution`"),
        ({"output": {"decoder": "image"}}, "`scale`"),
        ({"output": {"decoder": "image", "scale": 17}}, "`output.scale`"),
        (
            {"output": {"decoder": "image", "scale": 2, "range": [1, 1]}},
            "`output.range` must hold two values that differ",
        ),
        ({"input": {"interpolation": "bicubic"}}, "`input.interpolation` is for tasks that scale images"),
        ({"input": {"stretch_to_max": True}}, "`input.stretch_to_max` is for tasks that scale images"),
    ):
        with pytest.raises(DescriptionError, match=words):
            read_description(made | change)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"decoder": "keypoints", "points": []}, "`output.points`"),
        ({"decoder": "center-points", "landmarks": "l"}, "`output.landmarks` and `output.points` go together"),
        ({"decoder": "center-points", "points": ["nose"]}, "`output.landmarks` and `output.points` go together"),
        ({"decoder": "boxes", "places": "miles"}, "`output.places`"),
        ({"decoder": "boxes", "input": {}}, "`output.places` `pixels` needs `input.height`"),
    ],
)
def test_what_detectors_give_is_said_completely(output: dict[str, Any], words: str) -> None:
    names = {"heatmap": "h", "sizes": "s", "offsets": "o"} if output["decoder"] == "center-points" else {}
    given = output.pop("input", {"height": 8, "width": 8})
    content = {"version": 1, "task": "detect", "input": given, "output": {**names, **output}, "labels": ["a"]}
    with pytest.raises(DescriptionError, match=words):
        read_description(content)


def test_points_are_those_of_one_label() -> None:
    output = {"decoder": "keypoints", "points": ["nose"]}
    content = {"version": 1, "task": "detect", "input": {}, "output": output, "labels": ["a", "b"]}
    with pytest.raises(
        DescriptionError, match="`labels` must have one label for things that are known by their points"
    ):
        read_description(content)


def test_a_crop_is_for_labels_alone() -> None:
    mask = changed("output", {"decoder": "salient-mask", "mask": "y"}) | {"task": "segment", "labels": ["it"]}
    read_description(mask)
    mask["input"]["resize"] = "crop"
    with pytest.raises(DescriptionError, match="`crop` leaves out what the task `segment` tells of"):
        read_description(mask)
    mask["input"]["resize"] = "stretch"
    with pytest.raises(DescriptionError, match="`labels` must have one label"):
        read_description(mask | {"labels": ["it", "that"]})


FRAMES: dict[str, Any] = {
    "version": 1,
    "task": "frame-interpolation",
    "input": {"first": "a", "second": "b", "timestep": "t"},
    "output": {"decoder": "frame-between"},
}


def test_frames_become_values_from_0_to_1_unless_the_file_says_otherwise() -> None:
    found = read_description(FRAMES)
    assert isinstance(found, FrameDescription)
    assert (found.input.range, found.input.layout, found.output.range) == ([0, 1], "NCHW", [0, 1])
    assert found.input.takes_timestep
    assert found.architecture == "frame-between"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"first": "a"}, "`input.first` and `input.second` go together"),
        ({"first": "a", "second": "b", "frames": "c"}, "`input` must name either"),
        ({}, "`input` must name either"),
        ({"first": "a", "second": "a"}, "`input` names one input twice"),
        ({"frames": "a", "timestep": "t", "timestep_form": "channel"}, "`input.timestep_form` `channel` goes with"),
        ({"first": "a", "second": "b", "timestep_form": "channel"}, "`input.timestep_form` `channel` goes with"),
        ({"frames": "a", "timestep_form": "plane"}, "`input.timestep_form` `plane` needs `input.timestep`"),
        ({"frames": "a", "height": 64}, "`input.height` and `input.width` go together"),
        ({"frames": "a", "height": 64, "width": 64, "multiple_of": 8}, "`input.multiple_of` is for graphs"),
        ({"frames": "a", "range": [1, 1]}, "`input.range` must hold two values that differ"),
        ({"frames": "a", "std": [0, 1, 1]}, "`input.std` must not be nearer to 0"),
        ({"frames": "a", "resize": "crop"}, "`resize`"),
    ],
)
def test_what_does_not_go_together_of_frames_is_refused_by_its_name(given: dict[str, Any], words: str) -> None:
    with pytest.raises(DescriptionError, match=words):
        read_description({**FRAMES, "input": given})
