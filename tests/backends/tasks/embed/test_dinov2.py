"""Trained DINOv2-small: images that show the same are alike, others are not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from tests.dinov2_small import write_dinov2_small
from tests.real_models import sample
from tests.served_images import answer_of, sent, served

from panope.worker.v1 import embed_pb2 as pb

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

OTHERS = ("coffee.png", "horse.png", "rocket.jpg", "page.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dinov2")
    write_dinov2_small(folder)
    return folder


def darkened(data: bytes) -> bytes:
    file = io.BytesIO()
    ImageEnhance.Brightness(Image.open(io.BytesIO(data)).convert("RGB")).enhance(0.6).save(file, "PNG")
    return file.getvalue()


def vectors(model: Any, files: list[bytes]) -> np.ndarray[Any, Any]:
    message = pb.EmbedImagesInput(images=sent(*files), image_pooling="patch_mean", normalize=True)
    found = pb.EmbedImagesOutput.FromString(answer_of(model, "embed-images", message))
    return np.frombuffer(found.vectors, "<f4").reshape(len(files), found.dimensions)


def test_a_darkened_copy_is_alike_and_other_images_are_not(folder: Path) -> None:
    chelsea = sample("chelsea.png")
    found = vectors(served(folder, "embed"), [chelsea, darkened(chelsea), *map(sample, OTHERS)])
    cosines = found[0] @ found[1:].T
    assert cosines[0] == pytest.approx(0.995, abs=0.005)
    assert cosines[1:].max() < 0.42
