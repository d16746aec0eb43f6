"""The images in docs/vision.md show what trained models find, drawn as the command line draws it.

With `PANOPE_RENEW_IMAGES=1` the files are written anew.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.backends.tasks.graphs.test_graphs import Source, answer
from tests.backends.tasks.graphs.test_real_graphs import detected, in_openvino
from tests.real_graphs import write_graph, write_upscaler
from tests.real_models import sample
from tests.served_images import answer_of, sent

from panope.v1 import detect_service_pb2 as pb
from panope.v1 import segment_service_pb2 as segment_pb
from panope.v1.media_pb2 import BoundingBox
from panope.worker.v1 import detect_pb2, segment_pb2, super_resolution_pb2
from panope_backends.tasks.registry import find_task
from panope_server.cli.inference import vision

# Packages of some megabytes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DOCS = Path(__file__).parents[4] / "docs"

#: What may differ in the mean, of 255: by what JPEG loses, and between processors.
NEAR = 5


def check_documented(name: str, made: Image.Image) -> None:
    file = DOCS / name
    if os.environ.get("PANOPE_RENEW_IMAGES"):
        made.save(file, quality=80)
    with Image.open(file) as kept:
        assert kept.size == made.size
        difference = np.abs(np.asarray(kept, np.int16) - np.asarray(made, np.int16))
    assert difference.mean() < NEAR


def drawn(folder: Path, content: bytes, found: list[Any], draw: Any, width: int = 320) -> Image.Image:
    """An image with what was found, so wide."""
    given, made = folder / "given.png", folder / "made.png"
    given.write_bytes(content)
    draw(given, found, made)
    with Image.open(made) as image:
        return image.convert("RGB").resize((width, width * image.height // image.width))


def detection(found: detect_pb2.Detections, at: int) -> pb.Detection:
    left, top, right, bottom = found.corners[4 * at : 4 * at + 4]
    points = np.reshape(found.keypoints, (len(found.labels), -1, 3))[at].tolist()
    return pb.Detection(
        label=found.labels[at],
        score=found.scores[at],
        box=BoundingBox(x_min=left, y_min=top, x_max=right, y_max=bottom),
        keypoints=[pb.Keypoint(x=x, y=y, score=score) for x, y, score in points],
    )


def test_the_pose_and_the_mask_of_an_astronaut(tmp_path: Path) -> None:
    (found,) = detected(in_openvino(tmp_path / "movenet", "movenet"), "astronaut.png")
    pose = drawn(tmp_path, sample("astronaut.png"), [detection(found, 0)], vision._draw)
    message = segment_pb2.SegmentInput(images=sent(sample("astronaut.png")))
    told = answer_of(in_openvino(tmp_path / "selfie", "selfie"), "segment", message)
    (one,) = segment_pb2.SegmentOutput.FromString(told).images[0].segments
    left, top, right, bottom = one.corners
    box = BoundingBox(x_min=left, y_min=top, x_max=right, y_max=bottom)
    segment = segment_pb.Segment(label=one.label, png=one.png, area=one.area, box=box)
    mask = drawn(tmp_path, sample("astronaut.png"), [segment], vision._draw_segments)
    both = Image.new("RGB", (640, 320))
    both.paste(pose, (0, 0))
    both.paste(mask, (320, 0))
    check_documented("pose-and-mask.jpg", both)


def test_the_parts_of_a_page(tmp_path: Path) -> None:
    sheet, file = Image.new("RGB", (608, 400), "white"), io.BytesIO()
    sheet.paste(Image.open(io.BytesIO(sample("page.png"))).convert("RGB"), (100, 60))
    sheet.save(file, "PNG")
    loaded = find_task("detect").load(Source(write_graph(tmp_path / "layout", "layout")))  # type: ignore[arg-type]
    message = detect_pb2.DetectInput(images=sent(file.getvalue()), threshold=0.4)
    (found,) = detect_pb2.DetectOutput.FromString(answer(loaded, "detect", message)).images
    parts = [detection(found, at) for at in range(len(found.labels))]
    assert {each.label for each in parts} == {"text", "title"}
    page = drawn(tmp_path, file.getvalue(), parts, vision._draw, sheet.width).crop((80, 40, 504, 270))
    check_documented("layout.png", page)


def test_a_small_image_before_and_after(tmp_path: Path) -> None:
    loaded = find_task("super-resolution").load(Source(write_upscaler(tmp_path)))  # type: ignore[arg-type]
    with Image.open(io.BytesIO(sample("astronaut.png"))) as original:
        small = original.convert("RGB").crop((150, 30, 310, 190)).resize((80, 80), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    small.save(file, "PNG")
    message = super_resolution_pb2.SuperResolutionInput(images=sent(file.getvalue()))
    told = answer(loaded, "super-resolution", message)
    (made,) = super_resolution_pb2.SuperResolutionOutput.FromString(told).images
    both = Image.new("RGB", (640, 320))
    both.paste(small.resize((320, 320), Image.Resampling.NEAREST), (0, 0))
    both.paste(Image.open(io.BytesIO(made.content)), (320, 0))
    check_documented("superres.jpg", both)
