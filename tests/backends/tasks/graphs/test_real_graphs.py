"""Trained graphs that `panope.json` describes give the answers that their own packages do."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.backends.tasks.graphs.test_graphs import Source, answer
from tests.real_graphs import GRAPHS, write_graph, write_upscaler
from tests.real_models import sample

from panope.worker.v1 import classify_pb2, detect_pb2, segment_pb2, super_resolution_pb2
from panope.worker.v1.media_pb2 import Image as ImageMessage
from panope_backends.tasks.registry import find_task
from panope_backends.tasks.task import LoadedTask

# Packages of some megabytes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def load(folder: Path, name: str) -> LoadedTask:
    return find_task(GRAPHS[name][2]["task"]).load(Source(write_graph(folder, name)))  # type: ignore[arg-type]


def turned(quarters: int) -> bytes:
    file = io.BytesIO()
    page = Image.open(io.BytesIO(sample("page.png"))).convert("RGB")
    Image.fromarray(np.rot90(np.asarray(page), quarters)).save(file, "PNG")
    return file.getvalue()


def test_a_page_says_how_it_lies(tmp_path: Path) -> None:
    loaded = load(tmp_path, "orientation")
    images = [ImageMessage(content=turned(quarters)) for quarters in range(4)]
    told = answer(loaded, "classify-images", classify_pb2.ClassifyImagesInput(images=images, top_k=1))
    message = classify_pb2.ClassifyImagesOutput.FromString(told)
    assert [message.labels[at] for at in message.label_ids] == ["0", "270", "180", "90"]
    assert min(message.scores) > 0.92


@pytest.mark.parametrize(("name", "area"), [("coffee.png", 0.476), ("astronaut.png", 0.545)])
def test_what_an_image_is_of_is_cut_out(tmp_path: Path, name: str, area: float) -> None:
    loaded = load(tmp_path, "u2netp")
    told = answer(loaded, "segment", segment_pb2.SegmentInput(images=[ImageMessage(content=sample(name))]))
    (image,) = segment_pb2.SegmentOutput.FromString(told).images
    (segment,) = image.segments
    assert segment.area / (image.width * image.height) == pytest.approx(area, abs=0.02)
    mask = np.asarray(Image.open(io.BytesIO(segment.png)))
    assert (mask[image.height // 2, image.width // 2], mask[0, 0]) == (255, 0)


def test_faces_are_where_they_are(tmp_path: Path) -> None:
    loaded = load(tmp_path, "centerface")
    images = [ImageMessage(content=sample(name)) for name in ("astronaut.png", "chelsea.png", "coffee.png")]
    told = answer(loaded, "detect", detect_pb2.DetectInput(images=images, threshold=0.5))
    astronaut, *others = detect_pb2.DetectOutput.FromString(told).images
    left, top, right, bottom = astronaut.corners
    assert (left, top, right - left, bottom - top) == pytest.approx((182, 58, 88, 120), abs=3)
    assert list(astronaut.scores) == pytest.approx([0.93], abs=0.02)
    found: list[Any] = [list(each.labels) for each in others]
    assert found == [[], []]


def decibels(made: Image.Image, original: Image.Image) -> float:
    """How much of an image is there again: the peak signal to noise ratio."""
    difference = np.asarray(made, np.float64) - np.asarray(original)
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


def test_a_small_image_becomes_more_like_what_it_was_made_of(tmp_path: Path) -> None:
    loaded = find_task("super-resolution").load(Source(write_upscaler(tmp_path)))  # type: ignore[arg-type]
    original = Image.open(io.BytesIO(sample("astronaut.png"))).convert("RGB")
    small, file = original.resize((128, 128), Image.Resampling.BICUBIC), io.BytesIO()
    small.save(file, "PNG")
    message = super_resolution_pb2.SuperResolutionInput(images=[ImageMessage(content=file.getvalue())])
    told = answer(loaded, "super-resolution", message)
    (made,) = super_resolution_pb2.SuperResolutionOutput.FromString(told).images
    assert (made.width, made.height) == (512, 512)
    assert decibels(Image.open(io.BytesIO(made.content)), original) == pytest.approx(24.31, abs=0.02)
    assert decibels(small.resize((512, 512), Image.Resampling.NEAREST), original) == pytest.approx(23.31, abs=0.02)


def test_an_image_in_tiles_is_the_whole_but_for_rounding(tmp_path: Path) -> None:
    """No pixel of this graph sees farther than tiles overlap."""
    folder = write_upscaler(tmp_path)
    original = Image.open(io.BytesIO(sample("astronaut.png"))).convert("RGB").resize((200, 90))
    file = io.BytesIO()
    original.save(file, "PNG")
    message = super_resolution_pb2.SuperResolutionInput(images=[ImageMessage(content=file.getvalue())])
    made = []
    for side in (384, 100):
        description = json.loads((folder / "panope.json").read_text()) | {"input": {"max_side": side}}
        (folder / "panope.json").write_text(json.dumps(description))
        loaded = find_task("super-resolution").load(Source(folder))  # type: ignore[arg-type]
        told = super_resolution_pb2.SuperResolutionOutput.FromString(answer(loaded, "super-resolution", message))
        made.append(np.asarray(Image.open(io.BytesIO(told.images[0].content))).astype(int))
    assert np.abs(made[0] - made[1]).max() <= 1


def test_a_page_is_divided_into_its_parts(tmp_path: Path) -> None:
    """The values are those of rapid-layout's own code for the same images, read by OpenCV."""
    loaded = load(tmp_path, "layout")
    page = Image.open(io.BytesIO(sample("page.png"))).convert("RGB")
    sheet = Image.new("RGB", (608, 800), "white")
    sheet.paste(page, (100, 100))
    large = sheet.resize((1824, 2400), Image.Resampling.NEAREST)
    images = []
    for image in (sheet, large):
        file = io.BytesIO()
        image.save(file, "PNG")
        images.append(ImageMessage(content=file.getvalue()))
    told = answer(loaded, "detect", detect_pb2.DetectInput(images=images, threshold=0.4))
    for scale, found in zip((1, 3), detect_pb2.DetectOutput.FromString(told).images, strict=True):
        assert list(found.labels) == ["text", "text", "title"]
        assert list(found.scores) == pytest.approx([0.915, 0.731, 0.601], abs=0.005)
        corners = np.array(found.corners).reshape(-1, 4) / scale
        wanted = [[102, 151, 476, 236], [104, 275, 339, 291], [169, 114, 391, 135]]
        assert corners == pytest.approx(np.array(wanted), abs=1)
