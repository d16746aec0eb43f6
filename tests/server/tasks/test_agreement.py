"""What is alike agrees, what is not does not, and what every task is measured with is a call that it takes."""

from __future__ import annotations

import io
import math
import wave
from typing import Any

import numpy as np
import pytest

from panope_backends.api import TensorSpec
from panope_server.config import Limits
from panope_server.runtime.placement.workloads import workloads_of
from panope_server.tasks import agreement, samples
from panope_server.tasks.catalog import requests_of, task_of, tasks
from panope_server.tasks.embed import EmbedOutput
from panope_server.tasks.generate.types import GenerateDelta, GenerateOutput
from panope_server.tasks.task import MeasuredModel
from panope_server.tasks.tensors import NamedTensor, TensorOutput
from panope_server.tasks.vision.detect import Box, Detection, DetectOutput, ImageDetections
from panope_server.tasks.vision.segment import ImageSegments, Segment, SegmentOutput

MODEL = MeasuredModel(inputs=[TensorSpec("ids", "int64", (-1, -1)), TensorSpec("x", "float32", (-1, 4))])
MEASURED = [
    *("classify", "depth", "detect", "embed", "fill-mask", "generate", "image-generation", "ocr", "question-answer"),
    *("frame-interpolation", "rerank", "segment"),
    *("speak", "super-resolution", "tensors", "token-classify", "transcribe", "video-generation"),
]
CASES = [pytest.param(workload, id=workload.name) for task in MEASURED for workload in workloads_of(task)]


def test_every_task_that_models_have_is_measured() -> None:
    without = {task.name for task in tasks() if not task.workloads}
    # These are asked of models of other tasks, which are measured by those.
    assert without == {"detect-speech", "detokenize", "tokenize", "zero-shot"}


@pytest.mark.parametrize("workload", CASES)
def test_a_workload_makes_calls_that_pass_no_two_alike_and_always_the_same(workload: Any) -> None:
    first, again, second = workload.input(0, MODEL), workload.input(0, MODEL), workload.input(1, MODEL)
    task_of(first).validate(first, Limits())
    assert requests_of(first)
    assert first == again != second


def test_a_models_facts_say_which_workloads_suit_it() -> None:
    def names(architecture: str) -> list[str]:
        model = MeasuredModel(architecture)
        return [workload.name for workload in workloads_of("classify") if workload.suits(model)]

    assert names("BertForSequenceClassification") == ["classify-22-words-batch-32", "classify-22-words-batch-1"]
    assert names("ViTForImageClassification") == ["classify-images-batch-4", "classify-images-batch-1"]


def test_images_and_audio_are_files_that_libraries_read() -> None:
    image = pytest.importorskip("PIL.Image")
    for file, size in ((samples.image(3), (320, 240)), (samples.page(3), (296, 272))):
        opened = image.open(io.BytesIO(file))
        opened.load()
        assert (opened.format, opened.size) == ("PNG", size)
        assert np.asarray(opened).std() > 20, "not of one colour"
    with wave.open(io.BytesIO(samples.audio(1, 2.0))) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (16_000, 32_000)
    assert samples.image(1) != samples.image(2)


def test_videos_are_files_that_libraries_read() -> None:
    av = pytest.importorskip("av")
    with av.open(io.BytesIO(samples.video(3))) as video:
        assert video.streams.video[0].average_rate == 10
        first, second, third = (frame.to_ndarray(format="rgb24") for frame in video.decode(video=0))
    assert first.shape == (64, 96, 3)
    assert (np.roll(first, 4, axis=1) == second).all()
    assert (np.roll(second, 4, axis=1) == third).all()


@pytest.mark.parametrize(
    ("found", "expected"),
    [(1.0, 1.0), (0.9, 0.0), (2.0, 0.0), (float("nan"), 0.0)],
)
def test_vectors_agree_by_their_directions(found: float, expected: float) -> None:
    other = [1.0, 0.0] if found == 1.0 else [found - found, 1.0]
    assert agreement.of_vectors([[1.0, 0.0]], [other]) == expected
    assert agreement.of_vectors([[1.0, 0.0]], [[3.0, 0.0]]) == 1.0
    assert agreement.of_vectors([[1.0]], [[1.0, 1.0]]) == 0.0


def test_numbers_texts_sets_and_beginnings_agree_by_what_they_have_in_common() -> None:
    assert agreement.of_numbers([3, 4], [3, 4]) == agreement.of_numbers([], []) == 1
    assert agreement.of_numbers([3, 4], [0, 0]) == 0
    assert agreement.of_numbers([100.0], [99.0]) == pytest.approx(0.99)
    assert agreement.of_scores({"a": 1.0}, {"b": 1.0}) == 0
    assert agreement.of_texts("hello", "hello") == 1
    assert agreement.of_texts("abcd", "abxx") == 0.5
    assert agreement.of_sets({1, 2}, {2, 3}) == 0.5
    assert agreement.of_beginnings([1, 2, 3, 4], [1, 2, 9, 4]) == 0.5
    assert agreement.of_beginnings([], []) == agreement.of_beginnings([1], [1]) == 1
    assert agreement.of_beginnings([1, 2], [1]) == 0.5


def test_boxes_and_masks_agree_by_their_overlap() -> None:
    box, half = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 5.0)
    assert agreement.overlap_of(box, half) == 0.5
    assert agreement.of_boxes([("cat", box)], [("cat", half)]) == 1
    assert agreement.of_boxes([("cat", box)], [("dog", box)]) == 0
    assert agreement.of_boxes([("cat", box)], [("cat", box), ("cat", box)]) == pytest.approx(2 / 3)
    assert agreement.of_boxes([], []) == 1
    assert agreement.of_masks([0, 4, 4], [0, 2, 6]) == 0.5
    assert agreement.of_masks([4, 4], [8]) == 0


def test_sounds_agree_by_their_loudness_over_time() -> None:
    sound = samples.audio(1)
    assert agreement.of_sounds(sound, sound) == 1
    assert agreement.of_sounds(sound, samples.wav(np.zeros(80_000, "<i2"))) == 0


def outputs(task: str) -> tuple[Any, Any]:
    """An answer, and one that is wrong."""
    box = Box(0, 0, 9, 9)
    return {
        "embed": tuple(EmbedOutput(np.array(v, "<f4").tobytes(), 1, 2, [3], []) for v in ([1, 0], [0, 1])),
        "generate": tuple(GenerateOutput([GenerateDelta(token_ids=ids)]) for ids in ([1, 2, 3], [9, 2, 3])),
        "tensors": tuple(
            TensorOutput([NamedTensor("y", "float32", (2,), np.array(v, "<f4").tobytes())]) for v in ([1, 2], [-1, -2])
        ),
        "detect": tuple(
            DetectOutput([ImageDetections(9, 9, [Detection(label, 0.9, box)])]) for label in ("cat", "dog")
        ),
        "segment": tuple(
            SegmentOutput([ImageSegments(2, 2, [Segment("cat", 0.9, b"", runs, 2, box)])])
            for runs in ([0, 2, 2], [2, 2])
        ),
    }[task]


@pytest.mark.parametrize("name", ["embed", "generate", "tensors", "detect", "segment"])
def test_a_task_tells_its_right_answers_from_wrong_ones(name: str) -> None:
    task = next(task for task in tasks() if task.name == name)
    right, wrong = outputs(name)
    assert task.agreement(right, right) == 1
    assert task.agreement(right, wrong) < task.least_agreement
    assert not math.isnan(task.agreement(right, wrong))


def test_answers_of_an_engine_that_tells_no_ids_are_compared_by_their_words() -> None:
    task = next(task for task in tasks() if task.name == "generate")
    expected = GenerateOutput([GenerateDelta(text="a small boat", token_ids=[1, 2, 3, 4])])
    assert task.agreement(expected, GenerateOutput([GenerateDelta(text="a small boat")])) == 1
    assert task.agreement(expected, GenerateOutput([GenerateDelta(text="a large boat")])) == pytest.approx(1 / 3)
