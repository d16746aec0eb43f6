"""Tiny models that segment: on both engines they divide images alike."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.backends.engines.test_vision_families import FILES, both, made
from tests.served_images import answer_of, sent

from panope.worker.v1 import segment_pb2

# Each loads a library's model twice and converts it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kind", ["segformer", "maskformer", "detr_panoptic"])
def test_segments_are_alike_on_both_engines(tmp_path: Path, kind: str) -> None:
    """What `cpu` gives is compared with the library in tests/backends/tasks/segment/test_against_transformers.py."""
    folder = made(tmp_path / "model", kind)
    message = segment_pb2.SegmentInput(images=sent(*FILES), subtask="semantic")
    models = both(folder, "segment", tmp_path / "openvino")
    answers = [segment_pb2.SegmentOutput.FromString(answer_of(model, "segment", message)) for model in models]
    for one, other in zip(*(answer.images for answer in answers), strict=True):
        masks, others = (
            {each.label: np.asarray(Image.open(io.BytesIO(each.png))) for each in image.segments}
            for image in (one, other)
        )
        assert masks
        for label in masks.keys() | others.keys():
            nothing = np.zeros((one.height, one.width), np.uint8)
            assert (masks.get(label, nothing) == others.get(label, nothing)).mean() > 0.995
