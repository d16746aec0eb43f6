"""The depth that tiny seeded models see is that of transformers' pipeline."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.served_images import answer_of, photograph, sent, served

from panope.worker.v1 import depth_pb2
from panope_backends.api import ModelFacts
from panope_backends.errors import PreconditionError
from panope_backends.programs.convert import Job, convert
from panope_backends.testing.vision.models import tiny_vision_model

# PyTorch, and a model or a conversion in each.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FILES = [photograph(0), photograph(1, (80, 120)), photograph(2, (33, 97))]
KINDS = {
    "dpt": "inverse",
    "depth_anything": "inverse",
    "depth_anything_metric": "metre",
    "glpn": "metre",
    "zoedepth": "metre",
}


def expected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray[Any, Any]]:
    """What the pipeline says; ZoeDepth's processor resizes by torchvision, which here is what that calls."""
    import torch
    import transformers
    from transformers.models.zoedepth import image_processing_pil_zoedepth as zoe

    def resize(image: Any, size: list[int], **_: Any) -> Any:
        return torch.nn.functional.interpolate(image[None], size=size, mode="bicubic", align_corners=False)[0]

    modes = SimpleNamespace(BICUBIC="bicubic")
    monkeypatch.setattr(zoe, "tvF", SimpleNamespace(resize=resize, InterpolationMode=modes), raising=False)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pipeline = transformers.pipeline("depth-estimation", model=str(folder), image_processor=processor, device="cpu")
    return [pipeline(Image.open(io.BytesIO(file)))["predicted_depth"].numpy() for file in FILES]


def assert_alike(model: Any, wanted: list[np.ndarray[Any, Any]], unit: str) -> None:
    message = depth_pb2.DepthInput(images=sent(*FILES), float32=True)
    found = depth_pb2.DepthOutput.FromString(answer_of(model, "depth", message))
    for ours, theirs in zip(found.images, wanted, strict=True):
        assert (ours.height, ours.width, ours.unit) == (*theirs.shape, unit)
        values = np.frombuffer(ours.float32, "<f4").reshape(theirs.shape)
        assert np.abs(values - theirs).max() <= 2e-5 * np.abs(theirs).max()
        assert np.ptp(theirs) > 20 * 2e-5 * np.abs(theirs).max()
        assert (ours.min, ours.max) == (values.min(), values.max())


@pytest.mark.parametrize("kind", KINDS)
def test_depth_is_that_of_the_pipeline(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_vision_model(tmp_path, kind, seed=3)
    assert_alike(served(tmp_path, "depth"), expected(tmp_path, monkeypatch), KINDS[kind])


def converted(folder: Path, out: Path) -> Path:
    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts("acme/model", "safetensors", "depth", config["architectures"][0], config)
    convert(Job("openvino", "openvino", "fp32", facts, str(folder), str(out)))
    return out


@pytest.mark.parametrize("kind", ["dpt", "glpn"])
def test_openvino_sees_the_same_depth(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    tiny_vision_model(folder, kind, seed=3)
    model = served(converted(folder, tmp_path / "openvino"), "depth", "openvino", "openvino")
    assert_alike(model, expected(folder, monkeypatch), KINDS[kind])


def test_a_graph_that_would_see_other_depth_is_never_kept(tmp_path: Path) -> None:
    """Tracing freezes the patches of Depth Anything's first image, whose processor makes images of many sizes."""
    folder = tmp_path / "model"
    tiny_vision_model(folder, "depth_anything", seed=3)
    with pytest.raises(PreconditionError, match="results are of another shape"):
        converted(folder, tmp_path / "openvino")
