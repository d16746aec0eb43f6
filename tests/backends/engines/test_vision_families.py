"""Tiny models of images, one a family: on both engines they answer as transformers' pipelines do."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from PIL import Image
from tests.served_images import answer_of, photograph, sent, served

from panope.worker.v1 import classify_pb2, detect_pb2, embed_pb2
from panope_backends.api import ModelFacts
from panope_backends.programs.convert import Job, convert
from panope_backends.testing.vision_models import tiny_vision_model

# Each loads a library's model twice and converts it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FILES = [photograph(0), photograph(1, (80, 120))]
OWN_LABELS = ["a fox runs", "the dog sleeps", "London"]

LABELLED = dict.fromkeys(("vit", "swin", "convnext"), "image-classification")
COMPARED = dict.fromkeys(("clip", "siglip"), "zero-shot-image-classification")
DETECTED = dict.fromkeys(("detr", "yolos", "rt_detr"), "object-detection")
FOUND = ("owlvit", "owlv2", "grounding_dino")


def made(folder: Path, kind: str) -> Path:
    tiny_vision_model(folder, kind)
    return folder


def in_openvino(folder: Path, task: str, out: Path) -> Path:
    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts("acme/model", "safetensors", task, config["architectures"][0], config)
    convert(Job("openvino", "openvino", "fp32", facts, str(folder), str(out)))
    return out


def both(folder: Path, task: str, out: Path) -> list[Any]:
    """The model on either engine."""
    return [served(folder, task), served(in_openvino(folder, task, out), task, "openvino", "openvino")]


def pipeline(folder: Path, task: str, **options: Any) -> list[list[dict[str, Any]]]:
    """What transformers says of each image, the highest score first."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    run = transformers.pipeline(task, model=str(folder), image_processor=processor, device="cpu")
    found = [run(Image.open(io.BytesIO(file)), **options) for file in FILES]
    return [sorted(each, key=lambda one: -one["score"]) for each in found]


def labels(model: Any, **options: Any) -> list[dict[str, float]]:
    message: Message = classify_pb2.ClassifyImagesInput(images=sent(*FILES), **options)
    found = classify_pb2.ClassifyImagesOutput.FromString(answer_of(model, "classify-images", message))
    names = [found.labels[index] for index in found.label_ids]
    pairs = list(zip(names, found.scores, strict=True))
    return [dict(pairs[start : start + found.top_k]) for start in range(0, len(pairs), found.top_k)]


def scores(wanted: list[dict[str, Any]]) -> Mapping[str, Any]:
    return {one["label"]: pytest.approx(one["score"], abs=1e-4) for one in wanted}


def assert_alike(image: detect_pb2.Detections, wanted: list[dict[str, Any]]) -> None:
    """The same things in the same places; of those whose scores are equal, in any order."""
    assert list(image.scores) == pytest.approx([one["score"] for one in wanted], abs=1e-4)
    left = list(wanted)
    for index, (label, score) in enumerate(zip(image.labels, image.scores, strict=True)):
        corners = pytest.approx(image.corners[4 * index : 4 * index + 4], abs=1.01)
        same = next(
            one
            for one in left
            if one["label"] == label
            and abs(one["score"] - score) < 1e-4
            and [one["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")] == corners
        )
        left.remove(same)


@pytest.mark.parametrize("kind", [*LABELLED, *COMPARED])
def test_images_get_their_labels(tmp_path: Path, kind: str) -> None:
    folder = made(tmp_path / "model", kind)
    own: dict[str, Any] = {"candidate_labels": OWN_LABELS} if kind in COMPARED else {}
    expected = pipeline(folder, (LABELLED | COMPARED)[kind], **own)
    for model in both(folder, "classify", tmp_path / "openvino"):
        assert labels(model, **own) == [scores(each) for each in expected]


@pytest.mark.parametrize("kind", DETECTED)
def test_things_are_found(tmp_path: Path, kind: str) -> None:
    folder = made(tmp_path / "model", kind)
    expected = pipeline(folder, DETECTED[kind], threshold=0.05)
    for model in both(folder, "detect", tmp_path / "openvino"):
        message = detect_pb2.DetectInput(images=sent(*FILES), threshold=0.05)
        found = detect_pb2.DetectOutput.FromString(answer_of(model, "detect", message))
        for image, wanted in zip(found.images, expected, strict=True):
            assert len(image.labels) > 0
            assert_alike(image, wanted)


@pytest.mark.parametrize("kind", FOUND)
def test_what_texts_say_is_found(tmp_path: Path, kind: str) -> None:
    folder = made(tmp_path / "model", kind)
    expected = pipeline(folder, "zero-shot-object-detection", candidate_labels=OWN_LABELS, threshold=0.0)
    for model in both(folder, "detect", tmp_path / "openvino"):
        message = detect_pb2.DetectInput(images=sent(*FILES), threshold=0.0, candidate_labels=OWN_LABELS)
        found = detect_pb2.DetectOutput.FromString(answer_of(model, "detect", message))
        for image, wanted in zip(found.images, expected, strict=True):
            assert len(image.labels) == len(wanted) > 3
            assert_alike(image, wanted)


@pytest.mark.parametrize("kind", ["dinov2", "convnext_base", "clip", "siglip"])
def test_vectors_are_those_of_the_processor(tmp_path: Path, kind: str) -> None:
    """What `cpu` gives is compared with the library in tests/backends/tasks/embed/test_images.py."""
    folder = made(tmp_path / "model", kind)
    vectors = []
    for model in both(folder, "embed", tmp_path / "openvino"):
        image = answer_of(model, "embed-images", embed_pb2.EmbedImagesInput(images=sent(*FILES)))
        found = [embed_pb2.EmbedImagesOutput.FromString(image).vectors]
        if model.sequences is not None:
            text = answer_of(model, "embed", embed_pb2.EmbedInput(texts=OWN_LABELS, truncation="refuse"))
            found.append(embed_pb2.EmbedOutput.FromString(text).vectors)
        vectors.append(np.frombuffer(b"".join(found), "<f4"))
    assert vectors[1] == pytest.approx(vectors[0], abs=1e-3)
