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
from tests.real_graphs import GRAPHS, write_browser_graph, write_efficientnet, write_graph, write_upscaler
from tests.real_models import sample
from tests.served_images import answer_of, sent, served

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
    points = dict(zip(astronaut.keypoint_names, np.reshape(astronaut.keypoints, (-1, 3)).tolist(), strict=True))
    assert points["nose"][:2] == pytest.approx((219, 122), abs=6)
    assert points["left eye"][:2] == pytest.approx((204, 102), abs=6)
    assert points["right eye"][:2] == pytest.approx((244, 102), abs=6)
    assert points["left corner of the mouth"][1] > points["nose"][1]
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


def in_openvino(folder: Path, name: str) -> Any:
    return served(
        write_browser_graph(folder, name), "segment" if name == "selfie" else "detect", "openvino", "openvino"
    )


def detected(model: Any, *names: str, **options: Any) -> list[detect_pb2.Detections]:
    message = detect_pb2.DetectInput(images=sent(*map(sample, names)), **options)
    return list(detect_pb2.DetectOutput.FromString(answer_of(model, "detect", message)).images)


def test_a_person_is_known_by_the_points(tmp_path: Path) -> None:
    """And nobody is told of where nobody is."""
    model = in_openvino(tmp_path, "movenet")
    astronaut, coffee, horse = detected(model, "astronaut.png", "coffee.png", "horse.png")
    assert (list(astronaut.labels), list(coffee.labels), list(horse.labels)) == (["person"], [], [])
    places = dict(zip(astronaut.keypoint_names, np.reshape(astronaut.keypoints, (-1, 3)).tolist(), strict=True))
    assert places["nose"][:2] == pytest.approx((222, 121), abs=3)
    assert places["left eye"][:2] == pytest.approx((246, 101), abs=3)
    assert places["right eye"][:2] == pytest.approx((204, 98), abs=3)
    left, top, right, bottom = astronaut.corners
    assert left <= places["nose"][0] <= right
    assert top <= places["nose"][1] <= bottom


def test_a_person_is_cut_out(tmp_path: Path) -> None:
    message = segment_pb2.SegmentInput(images=sent(sample("astronaut.png")))
    told = answer_of(in_openvino(tmp_path, "selfie"), "segment", message)
    (segment,) = segment_pb2.SegmentOutput.FromString(told).images[0].segments
    assert (segment.label, segment.area / 512**2) == ("person", pytest.approx(0.545, abs=0.01))
    mask = np.asarray(Image.open(io.BytesIO(segment.png)))
    assert (mask[120, 222], mask[0, 0]) == (255, 0)


#: What both models see, by the numbers of COCO's labels.
SEEN = {"motorcycle_left.png": "3", "horse.png": "17", "astronaut.png": "0", "coffee.png": "41"}


def test_boxes_that_a_graph_chose_are_told(tmp_path: Path) -> None:
    found = detected(in_openvino(tmp_path, "centernet"), *SEEN, threshold=0.25)
    assert [image.labels[0] for image in found] == list(SEEN.values())
    assert [image.scores[0] for image in found] == pytest.approx([0.5, 0.54, 0.61, 0.46], abs=0.05)
    left, top, right, bottom = found[0].corners[:4]
    assert (left, top, right, bottom) == pytest.approx((115, 51, 676, 449), abs=12)
    assert found[3].corners[:4] == pytest.approx((166, 21, 411, 256), abs=12)


def test_boxes_are_made_of_distances_from_places_of_grids(tmp_path: Path) -> None:
    found = detected(in_openvino(tmp_path, "nanodet"), *SEEN, threshold=0.4)
    assert [image.labels[0] for image in found] == list(SEEN.values())
    assert [image.scores[0] for image in found] == pytest.approx([0.79, 0.57, 0.74, 0.53], abs=0.06)
    assert found[0].corners[:4] == pytest.approx((115, 51, 676, 449), abs=40)
    assert found[1].corners[:4] == pytest.approx((21, 22, 386, 314), abs=20)


def test_images_of_no_harm_are_safe(tmp_path: Path) -> None:
    loaded = load(tmp_path, "nsfw")
    images = [ImageMessage(content=sample(name)) for name in ("chelsea.png", "coffee.png")]
    told = answer(loaded, "classify-images", classify_pb2.ClassifyImagesInput(images=images, top_k=1))
    message = classify_pb2.ClassifyImagesOutput.FromString(told)
    assert [message.labels[at] for at in message.label_ids] == ["safe"] * 2
    assert min(message.scores) > 0.98
    assert message.scores[0] > 0.999


@pytest.mark.parametrize(
    ("name", "label", "score"), [("coffee.png", {"967"}, 0.947), ("chelsea.png", {"281", "282", "285"}, 0.3)]
)
def test_an_image_gets_one_of_a_thousand_labels(tmp_path: Path, name: str, label: set[str], score: float) -> None:
    loaded = find_task("classify").load(Source(write_efficientnet(tmp_path)))  # type: ignore[arg-type]
    images = [ImageMessage(content=sample(name))]
    told = answer(loaded, "classify-images", classify_pb2.ClassifyImagesInput(images=images, top_k=1))
    message = classify_pb2.ClassifyImagesOutput.FromString(told)
    assert message.labels[message.label_ids[0]] in label
    assert message.scores[0] >= score - 0.02
