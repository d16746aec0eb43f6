"""Described ONNX files, small ones made here: loaded, run, and refused where file and graph do not go together."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image
from tests.described_graphs import (
    FOUR_BY_FOUR,
    png,
    write_classifier,
    write_described,
    write_detector,
    write_enlarger,
    write_segmenter,
)

from panope.worker.v1 import classify_pb2, detect_pb2, segment_pb2, super_resolution_pb2
from panope.worker.v1.media_pb2 import Image as ImageMessage
from panope_backends.api import TensorModel
from panope_backends.engines.onnx.model import load_onnx_model
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.graphs.description import ImageInput
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.graphs.pixels import PixelArrays
from panope_backends.tasks.registry import find_task
from panope_backends.tasks.task import ArrayJob, LoadedTask


class Source:
    """A folder, and ONNX Runtime."""

    media_limits = MediaLimits()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, config: Mapping[str, Any], folder: Path | None = None, *, head: str = "") -> TensorModel:
        del config, folder, head
        return load_onnx_model(self.folder, 1)


#: The left half is black, the right half white.
HALF_WHITE = ImageMessage(content=png((20, 10), (10, 0, 20, 10)))


def answer(loaded: LoadedTask, task: str, message: Any) -> bytes:
    job = loaded.requests[task](message.SerializeToString())
    assert isinstance(job, ArrayJob)
    assert loaded.arrays is not None
    return job.answer([row for item in job.items for row in loaded.arrays.run([item])])


def test_a_classifier_gives_its_labels(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    loaded = find_task("classify").load(Source(tmp_path))  # type: ignore[arg-type]
    white = ImageMessage(content=png((8, 8)))
    told = answer(loaded, "classify-images", classify_pb2.ClassifyImagesInput(images=[white]))
    message = classify_pb2.ClassifyImagesOutput.FromString(told)
    assert [message.labels[at] for at in message.label_ids] == ["light", "dark"]
    assert message.scores == pytest.approx([1 / (1 + np.exp(-8)), 1 / (1 + np.exp(8))], abs=1e-6)
    facts = classify_pb2.ClassifyFacts.FromString(loaded.facts)
    assert (list(facts.labels), facts.takes_images) == (["dark", "light"], True)


def test_a_mask_is_at_the_size_of_the_image(tmp_path: Path) -> None:
    write_segmenter(tmp_path)
    loaded = find_task("segment").load(Source(tmp_path))  # type: ignore[arg-type]
    told = answer(loaded, "segment", segment_pb2.SegmentInput(images=[HALF_WHITE], run_lengths=True))
    (image,) = segment_pb2.SegmentOutput.FromString(told).images
    (segment,) = image.segments
    assert (image.width, image.height, segment.label, segment.HasField("score")) == (20, 10, "object", False)
    assert (segment.area, list(segment.corners), list(segment.runs)) == (100, [10, 0, 20, 10], [100, 100])
    alike = ImageMessage(content=png((8, 8), colour=(90, 90, 90)))
    told = answer(loaded, "segment", segment_pb2.SegmentInput(images=[alike]))
    assert not segment_pb2.SegmentOutput.FromString(told).images[0].segments


def test_a_detector_gives_boxes(tmp_path: Path) -> None:
    write_detector(tmp_path, **FOUR_BY_FOUR)
    loaded = find_task("detect").load(Source(tmp_path))  # type: ignore[arg-type]
    told = answer(loaded, "detect", detect_pb2.DetectInput(images=[HALF_WHITE], threshold=0.9))
    (image,) = detect_pb2.DetectOutput.FromString(told).images
    assert set(image.labels) == {"face"}
    assert min(image.corners[::4]) == pytest.approx(10, abs=5)
    assert image.scores


def enlarged(loaded: LoadedTask, content: bytes) -> np.ndarray[Any, Any]:
    message = super_resolution_pb2.SuperResolutionInput(images=[ImageMessage(content=content)], output_format="png")
    told = answer(loaded, "super-resolution", message)
    (image,) = super_resolution_pb2.SuperResolutionOutput.FromString(told).images
    return np.asarray(Image.open(io.BytesIO(image.content)))


@pytest.mark.parametrize(
    "given", [{}, {"multiple_of": 16}, {"max_side": 12}, {"height": 16, "width": 24}, {"height": 64, "width": 64}]
)
def test_an_image_becomes_larger_whole_padded_or_in_tiles(tmp_path: Path, given: dict[str, Any]) -> None:
    write_enlarger(tmp_path, **given)
    loaded = find_task("super-resolution").load(Source(tmp_path))  # type: ignore[arg-type]
    noise = np.random.default_rng(0).integers(0, 256, (30, 43, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    assert np.array_equal(enlarged(loaded, file.getvalue()), noise.repeat(2, axis=0).repeat(2, axis=1))


def test_a_graph_that_makes_images_of_another_size_than_it_says_is_refused(tmp_path: Path) -> None:
    write_enlarger(tmp_path, scale=4)
    with pytest.raises(PreconditionError, match="become 4 times as wide and high; it makes 100 × 74 of 50 × 37"):
        find_task("super-resolution").load(Source(tmp_path))  # type: ignore[arg-type]


def test_an_image_that_would_become_too_large_is_refused_before_it_is_made(tmp_path: Path) -> None:
    write_enlarger(tmp_path)
    loaded = find_task("super-resolution").load(Source(tmp_path))  # type: ignore[arg-type]
    images = [ImageMessage(content=png((2049, 2048)))]
    message = super_resolution_pb2.SuperResolutionInput(images=images, first_index=2)
    with pytest.raises(InvalidInputError) as refused:
        loaded.requests["super-resolution"](message.SerializeToString())
    assert refused.match(
        r"`images\[2\]` has 2,049 × 2,048 pixels and would become 4,098 × 4,096, 16,785,408 in all; the limit"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"labels": ["a"], "output": {"decoder": "labels", "logits": "y"}}, "names the output `y`; the graph gives"),
        ({"labels": ["a"], "output": {"decoder": "labels"}}, "names no output, and the graph gives one, two"),
        ({"labels": ["a"], "input": {"name": "x"}, "output": {"decoder": "labels", "logits": "one"}}, "the input `x`"),
        ({"labels": ["a"], "output": {"decoder": "labels"}, "pad": 1}, "unknown field `pad`"),
        ({"labels": ["a", "b"], "output": {"decoder": "labels", "logits": "one"}}, "2 labels"),
    ],
)
def test_what_file_and_graph_do_not_have_in_common_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    write_described(
        tmp_path,
        {"task": "classify", **content},
        helper.make_node("ReduceMean", ["pixels"], ["one"], axes=[2, 3], keepdims=0),
        helper.make_node("Neg", ["one"], ["two"]),
        outputs=("one", "two"),
    )
    with pytest.raises(PreconditionError, match=words):
        find_task("classify").load(Source(tmp_path))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "takes", "words"),
    [
        ({}, ("batch", 3, 32, 32), r"NCHW inputs of 3 × any × any; the graph's `pixels` takes 3 × 32 × 32"),
        (FOUR_BY_FOUR, ("batch", 3, 4, 5), "3 × 4 × 4; the graph's `pixels` takes 3 × 4 × 5"),
        (FOUR_BY_FOUR, ("batch", "height", "width", 3), "3 × 4 × 4; the graph's `pixels` takes any × any × 3"),
        (FOUR_BY_FOUR, ("batch", 1, 4, 4), "takes 1 × 4 × 4"),
        (FOUR_BY_FOUR, ("batch", 48), "takes 48"),
    ],
)
def test_a_graph_that_takes_images_of_another_shape_is_refused(
    tmp_path: Path, given: Any, takes: tuple[int | str, ...], words: str
) -> None:
    content = {"task": "segment", "input": given, "output": {"decoder": "salient-mask", "mask": "y"}, "labels": ["a"]}
    write_described(tmp_path, content, helper.make_node("Neg", ["pixels"], ["y"]), outputs=("y",), takes=takes)
    with pytest.raises(PreconditionError, match=words):
        find_task("segment").load(Source(tmp_path))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"decoder": "salient-mask", "mask": "image"}, "`output.mask` of 1 × any × any for an image; .* 3 × 4 × 4"),
        ({"decoder": "salient-mask", "mask": "row"}, "`output.mask` of any × any for an image; the graph gives 3"),
        ({"heatmap": "row", "sizes": "two", "offsets": "two"}, "`output.heatmap` of any × any × any .* gives 3"),
        ({"heatmap": "image", "sizes": "two", "offsets": "two"}, "has 1 labels; the graph gives values for 3"),
        ({"heatmap": "one", "sizes": "image", "offsets": "two"}, "`output.sizes` of 2 × 4 × 4 .* gives 3 × 4 × 4"),
        ({"heatmap": "one", "sizes": "two", "offsets": "row"}, "`output.offsets` of 2 × 4 × 4 .* gives 3"),
    ],
)
def test_a_graph_that_gives_outputs_of_another_shape_is_refused(tmp_path: Path, output: Any, words: str) -> None:
    task = "segment" if "mask" in output else "detect"
    write_described(
        tmp_path,
        {"task": task, "output": {"decoder": "center-points", **output}, "labels": ["a"]},
        helper.make_node("Identity", ["pixels"], ["image"]),
        helper.make_node("ReduceMean", ["pixels"], ["row"], axes=[2, 3], keepdims=0),
        helper.make_node("Split", ["pixels", "parts"], ["one", "two"], axis=1),
        outputs=("image", "row", "one", "two"),
        parts=[1, 2],
    )
    with pytest.raises(PreconditionError, match=words):
        find_task(task).load(Source(tmp_path))  # type: ignore[arg-type]


def test_images_are_made_smaller_with_and_without_smoothing(tmp_path: Path) -> None:
    bar = Image.new("RGB", (16, 8), "black")
    bar.paste("white", (5, 0, 7, 8))
    smooth, sharp = (
        PixelArrays(ImageInput(height=8, width=4, antialias=antialias), "x").arrays(bar, "images[0]")["x"][0, 0]
        for antialias in (True, False)
    )
    assert sharp == pytest.approx([0, 1, 0, 0], abs=0.01)  # the two columns in the middle of four count, as of OpenCV
    assert smooth[1] < 0.9
    assert smooth[0] > 0.01


def test_scores_with_axes_of_length_one_are_those_of_labels(tmp_path: Path) -> None:
    write_described(
        tmp_path,
        {"task": "classify", "output": {"decoder": "labels"}, "labels": ["red", "green", "blue"]},
        helper.make_node("GlobalAveragePool", ["pixels"], ["scores"]),  # 3 × 1 × 1, as SqueezeNet's are
        outputs=("scores",),
    )
    loaded = find_task("classify").load(Source(tmp_path))  # type: ignore[arg-type]
    green = ImageMessage(content=png((8, 8), colour=(0, 255, 0)))
    told = answer(loaded, "classify-images", classify_pb2.ClassifyImagesInput(images=[green], top_k=1))
    message = classify_pb2.ClassifyImagesOutput.FromString(told)
    assert [message.labels[at] for at in message.label_ids] == ["green"]
    assert message.scores == pytest.approx([np.e / (np.e + 2)], abs=1e-6)
