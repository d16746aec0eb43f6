"""The poses that tiny seeded models of VitPose find are those of transformers' own processor."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.served_images import answer_of, photograph, sent, served

from panope.worker.v1 import detect_pb2
from panope_backends.api import ModelFacts
from panope_backends.errors import InvalidInputError
from panope_backends.programs.convert import Job, convert
from panope_backends.testing.vision.models import tiny_vision_model

# PyTorch, and a model in each.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FILE = photograph(0, (150, 100))
BOXES = [[10.0, 5.0, 60.0, 95.0], [70.5, 20.0, 150.0, 80.25]]


def expected(folder: Path, boxes: list[list[float]]) -> list[dict[str, Any]]:
    """What the library says of each box, left, top, right and bottom."""
    import torch
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    model = transformers.AutoModelForPoseEstimation.from_pretrained(folder).eval()
    coco = [[[left, top, right - left, bottom - top] for left, top, right, bottom in boxes]]
    inputs = processor(Image.open(io.BytesIO(FILE)), boxes=coco, return_tensors="pt")
    experts = model.config.backbone_config.num_experts > 1
    more = {"dataset_index": torch.zeros(len(boxes), dtype=torch.int64)} if experts else {}
    with torch.no_grad():
        given = model(**inputs, **more)
    (found,) = processor.post_process_pose_estimation(given, boxes=coco)
    return list(found)


def assert_alike(model: Any, folder: Path, boxes: list[list[float]], sent_boxes: list[list[float]]) -> None:
    options = {"threshold": 0.0, "boxes": [side for box in sent_boxes for side in box]}
    message = detect_pb2.DetectInput(images=sent(FILE), **options)
    (image,) = detect_pb2.DetectOutput.FromString(answer_of(model, "detect", message)).images
    wanted = sorted(expected(folder, boxes), key=lambda each: -each["scores"].mean())
    assert (list(image.keypoint_names), len(image.labels)) == (["nose", "left eye", "right eye"], len(boxes))
    points = np.reshape(image.keypoints, (len(boxes), 3, 3))
    for ours, theirs, score in zip(points, wanted, image.scores, strict=True):
        assert ours[:, :2] == pytest.approx(theirs["keypoints"].numpy(), abs=0.05)
        assert ours[:, 2] == pytest.approx(theirs["scores"].numpy(), rel=1e-3)
        assert score == pytest.approx(theirs["scores"].mean().item(), rel=1e-3)
    assert sorted(np.reshape(image.corners, (-1, 4)).tolist()) == sorted(boxes)


@pytest.mark.parametrize("kind", ["vitpose", "vitpose_plus"])
def test_poses_are_those_of_the_library(tmp_path: Path, kind: str) -> None:
    tiny_vision_model(tmp_path, kind, seed=3)
    model = served(tmp_path, "detect")
    assert_alike(model, tmp_path, BOXES, BOXES)
    assert_alike(model, tmp_path, [[0.0, 0.0, 150.0, 100.0]], [])  # the whole image


def test_openvino_finds_the_same(tmp_path: Path) -> None:
    folder, out = tmp_path / "model", tmp_path / "openvino"
    tiny_vision_model(folder, "vitpose", seed=3)
    config = json.loads((folder / "config.json").read_text())
    facts = ModelFacts("acme/model", "safetensors", "detect", config["architectures"][0], config)
    convert(Job("openvino", "openvino", "fp32", facts, str(folder), str(out)))
    assert_alike(served(out, "detect", "openvino", "openvino"), folder, BOXES, BOXES)


def test_rectangles_past_the_image_are_refused_by_name(tmp_path: Path) -> None:
    tiny_vision_model(tmp_path, "vitpose", seed=3)
    model = served(tmp_path, "detect")
    message = detect_pb2.DetectInput(images=sent(FILE), boxes=[0, 0, 10, 10, 0, 0, 151, 10])
    with pytest.raises(InvalidInputError, match=r"`boxes\[1\]` reaches past the image, which has 150 × 100 pixels"):
        answer_of(model, "detect", message)
    message = detect_pb2.DetectInput(images=sent(FILE), candidate_labels=["a cat"])
    with pytest.raises(InvalidInputError, match="`candidate_labels` are for models that look for what texts say"):
        answer_of(model, "detect", message)
