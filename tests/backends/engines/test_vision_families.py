"""Tiny models of images, one a family: on both engines they answer as transformers' pipelines do."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import Message
from PIL import Image
from tests.served_images import answer_of, photograph, sent, served

from panope.worker.v1 import classify_pb2, detect_pb2, embed_pb2
from panope_backends.api import Backend, Device, Level, ModelFacts
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.engines.torch import CpuBackend
from panope_backends.programs.convert import Job, convert
from panope_backends.testing.vision.models import tiny_vision_model

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
    on_either = kind != "grounding_dino"
    models = both(folder, "detect", tmp_path / "openvino") if on_either else [served(folder, "detect")]
    for model in models:
        message = detect_pb2.DetectInput(images=sent(*FILES), threshold=0.0, candidate_labels=OWN_LABELS)
        found = detect_pb2.DetectOutput.FromString(answer_of(model, "detect", message))
        for image, wanted in zip(found.images, expected, strict=True):
            assert len(image.labels) == len(wanted) > 3
            assert_alike(image, wanted)


@pytest.mark.parametrize(
    ("kind", "task", "class_name", "outputs"),
    [
        ("vit", "classify", "AutoModelForImageClassification", ["logits"]),
        ("dinov2", "embed", "AutoModel", ["last_hidden_state", "pooler_output"]),
        ("rt_detr", "detect", "AutoModelForObjectDetection", ["logits", "pred_boxes"]),
    ],
)
def test_graphs_as_hubs_have_them_answer_alike(
    tmp_path: Path, kind: str, task: str, class_name: str, outputs: list[str]
) -> None:
    """`onnx/model.onnx`, by the names of transformers, with any batch."""
    import torch
    import transformers

    folder, graph = made(tmp_path / "model", kind), tmp_path / "onnx"
    (graph / "onnx").mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json"):
        (graph / name).write_bytes((folder / name).read_bytes())
    model = getattr(transformers, class_name).from_pretrained(folder, attn_implementation="eager").eval()

    class Tuple(torch.nn.Module):  # type: ignore[misc]  # torch's types are not read (see pyproject.toml)
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: Any) -> Any:
            given = self.model(pixel_values)
            return tuple(given[name] for name in outputs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is the older exporter, of which most graphs on hubs are
        torch.onnx.export(
            Tuple(),
            (torch.zeros(2, 3, *((64, 64) if kind == "rt_detr" else (32, 32))),),
            graph / "onnx" / "model.onnx",
            input_names=["pixel_values"],
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in ("pixel_values", *outputs)},
            dynamo=False,
        )
    messages: dict[str, Message] = {
        "classify-images": classify_pb2.ClassifyImagesInput(images=sent(FILES[0])),
        "embed-images": embed_pb2.EmbedImagesInput(images=sent(FILES[0]), image_pooling="cls"),
        "detect": detect_pb2.DetectInput(images=sent(FILES[0]), threshold=0.0),
    }
    asked = task if task == "detect" else f"{task}-images"
    one, other = (
        answer_of(each, asked, messages[asked]) for each in (served(folder, task), served(graph, task, "cpu", "onnx"))
    )
    if task == "classify":
        wanted, got = (classify_pb2.ClassifyImagesOutput.FromString(each) for each in (one, other))
        assert list(got.label_ids) == list(wanted.label_ids)
        assert list(got.scores) == pytest.approx(list(wanted.scores), abs=1e-4)
    elif task == "embed":
        vectors = [np.frombuffer(embed_pb2.EmbedImagesOutput.FromString(each).vectors, "<f4") for each in (one, other)]
        assert vectors[1] == pytest.approx(vectors[0], abs=1e-4)
    else:
        boxes = [detect_pb2.DetectOutput.FromString(each).images[0] for each in (one, other)]
        assert list(boxes[1].scores) == pytest.approx(list(boxes[0].scores), abs=1e-4)
        assert list(boxes[1].corners[:4]) == pytest.approx(list(boxes[0].corners[:4]), abs=0.1)


def test_what_the_converter_cannot_read_is_never_sent_to_it() -> None:
    config = {"architectures": ["GroundingDinoForObjectDetection"], "model_type": "grounding-dino"}
    backend = OpenVinoBackend()
    support = backend.supports(ModelFacts("acme/a", "safetensors", "detect", "", config), Device("openvino", "CPU"))
    assert (support.level, support.is_final) == (Level.NONE, True)
    assert "converter lacks operations" in support.reason


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


def test_images_as_patches_of_any_shape_run_in_pytorch_alone() -> None:
    config = {"model_type": "siglip2_vision_model", "architectures": ["Siglip2VisionModel"], "num_channels": 3}
    facts = ModelFacts("test/naflex", "safetensors", "embed", "Siglip2VisionModel", config)
    backends: list[Backend] = [CpuBackend(), OpenVinoBackend()]
    said = [backend.supports(facts, backend.devices()[0]) for backend in backends]
    assert [each.level for each in said] == [Level.FULL, Level.NONE]
    assert "patches of images of any shape" in said[1].reason
