"""What tiny seeded models of Swin2SR make of images is what transformers' own loop makes, on both engines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.served_images import answer_of, photograph, sent, served

from panope.worker.v1 import super_resolution_pb2
from panope_backends.api import ModelFacts
from panope_backends.errors import PreconditionError
from panope_backends.programs.convert import Job, convert
from panope_backends.tasks.super_resolution import module
from panope_backends.testing.vision.models import tiny_vision_model

# PyTorch, and a model in each.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FILES = [photograph(0, (50, 40)), photograph(1, (33, 17)), photograph(2, (64, 64))]
KINDS = {"swin2sr": 2, "swin2sr_direct": 4, "swin2sr_real": 4, "swin2sr_aux": 4, "swin2sr_same": 1}


def expected(folder: Path, file: bytes, scale: int) -> np.ndarray[Any, Any]:
    """As the model's documentation has it, without what the processor puts behind the image."""
    import torch
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = transformers.AutoModelForImageToImage.from_pretrained(folder).eval()
    image = Image.open(io.BytesIO(file))
    with torch.no_grad():
        made = model(**processor(image, return_tensors="pt")).reconstruction
    pixels = np.moveaxis(made.squeeze().clamp(0, 1).numpy(), 0, -1)
    return (pixels * 255.0).round().astype(np.uint8)[: image.height * scale, : image.width * scale]


def answers(model: Any, files: list[bytes]) -> list[np.ndarray[Any, Any]]:
    message = super_resolution_pb2.SuperResolutionInput(images=sent(*files), output_format="png")
    found = super_resolution_pb2.SuperResolutionOutput.FromString(answer_of(model, "super-resolution", message))
    made = [np.asarray(Image.open(io.BytesIO(each.content))) for each in found.images]
    assert [(each.height, each.width) for each in found.images] == [each.shape[:2] for each in made]
    return made


def assert_alike(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> None:
    """But for rounding."""
    assert ours.shape == theirs.shape
    difference = np.abs(ours.astype(int) - theirs)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001
    assert theirs.std() > 5


@pytest.mark.parametrize("kind", KINDS)
def test_images_become_what_the_library_makes(tmp_path: Path, kind: str) -> None:
    tiny_vision_model(tmp_path, kind, seed=3)
    for ours, file in zip(answers(served(tmp_path, "super-resolution"), FILES), FILES, strict=True):
        assert_alike(ours, expected(tmp_path, file, KINDS[kind]))


def test_openvino_makes_the_same(tmp_path: Path) -> None:
    folder, out = tmp_path / "model", tmp_path / "openvino"
    tiny_vision_model(folder, "swin2sr", seed=3)
    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts("acme/model", "safetensors", "super-resolution", config["architectures"][0], config)
    convert(Job("openvino", "openvino", "fp32", facts, str(folder), str(out)))
    model = served(out, "super-resolution", "openvino", "openvino")
    for ours, file in zip(answers(model, FILES), FILES, strict=True):
        assert_alike(ours, expected(folder, file, 2))


def test_tiles_make_nearly_what_the_whole_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where windows of attention lie as they do in the whole, what they see of it is beyond the edges of no tile."""
    tiny_vision_model(tmp_path, "swin2sr", seed=3)
    file = photograph(5, (160, 90))
    (whole,) = answers(served(tmp_path, "super-resolution"), [file])
    monkeypatch.setattr(module, "SWIN_TILE", 96)
    (tiled,) = answers(served(tmp_path, "super-resolution"), [file])
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_a_scale_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    tiny_vision_model(tmp_path, "swin2sr", seed=3)
    config = json.loads((tmp_path / "config.json").read_text())
    wrong = config | {"upscale": 3}  # whose weights make twice the size
    (tmp_path / "config.json").write_text(json.dumps(wrong))
    with pytest.raises(PreconditionError):
        served(tmp_path, "super-resolution")
