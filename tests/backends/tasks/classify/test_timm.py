"""Models of timm as its hub publishes them: an architecture's name, and weights under timm's own names."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.served_images import answer_of, photograph, sent, served

from panope.worker.v1 import classify_pb2, embed_pb2
from panope_backends.errors import PreconditionError
from panope_registry.ingest.folder import list_folder
from panope_registry.inspect.inspect import inspect_files

FILE = photograph()


def published(folder: Path, architecture: str, classes: int, **changes: Any) -> Any:
    """Writes a seeded model as timm pushes one to its hub, and returns it."""
    torch.manual_seed(0)
    model = timm.create_model(architecture, num_classes=classes).eval()
    given = {name: model.pretrained_cfg[name] for name in ("input_size", "interpolation", "mean", "std", "crop_pct")}
    config = {"architecture": architecture, "num_classes": classes, "pretrained_cfg": given, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    return model


def pixels(model: Any) -> Any:
    """The image as timm prepares it."""
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    return transform(Image.open(io.BytesIO(FILE)).convert("RGB"))[None]


def task_of(folder: Path) -> str:
    return inspect_files({file.path: file.source for file in list_folder(folder)}).task


def classified(folder: Path) -> classify_pb2.ClassifyImagesOutput:
    message = classify_pb2.ClassifyImagesInput(images=sent(FILE), function="softmax", top_k=3)
    return classify_pb2.ClassifyImagesOutput.FromString(
        answer_of(served(folder, "classify"), "classify-images", message)
    )


def test_a_classifier_answers_as_timm_does_by_imagenets_labels(tmp_path: Path) -> None:
    model = published(tmp_path, "test_resnet", 1000)
    assert task_of(tmp_path) == "classify"
    found = classified(tmp_path)
    with torch.inference_mode():
        wanted = model(pixels(model)).softmax(-1)[0].topk(3)
    assert list(found.label_ids) == wanted.indices.tolist()
    assert found.scores == pytest.approx(wanted.values.tolist(), rel=1e-4)
    assert (len(found.labels), found.labels[282]) == (1000, "tiger cat")


def test_a_classifier_of_other_labels_names_them_as_its_config_does(tmp_path: Path) -> None:
    published(tmp_path, "test_resnet", 3, label_names=["cup", "cat", "dog"])
    assert sorted(classified(tmp_path).labels) == ["cat", "cup", "dog"]


def test_a_model_without_classes_embeds_as_timm_does(tmp_path: Path) -> None:
    model = published(tmp_path, "test_vit", 0)
    assert task_of(tmp_path) == "embed"
    message = embed_pb2.EmbedImagesInput(images=sent(FILE))
    found = embed_pb2.EmbedImagesOutput.FromString(answer_of(served(tmp_path, "embed"), "embed-images", message))
    with torch.inference_mode():
        wanted = model(pixels(model))[0].numpy()
    assert np.frombuffer(found.vectors, "<f4") == pytest.approx(wanted, abs=1e-5)


def test_weights_of_other_classes_than_are_told_are_refused(tmp_path: Path) -> None:
    published(tmp_path, "test_resnet", 3)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_classes": 5}))
    with pytest.raises(PreconditionError):
        served(tmp_path, "classify")
