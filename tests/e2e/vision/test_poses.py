"""Points of people, by a tiny VitPose and by a described graph, in real workers behind a real Envoy."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from onnx import helper
from PIL import Image
from tests.described_graphs import FOUR_BY_FOUR, png, write_described
from tests.served_images import photograph

from command_line import panope
from panope_backends.testing.vision.models import tiny_vision_model
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# Two workers, one with PyTorch.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

POSES, DOTS = "acme/vitpose", "acme/dots"
NAMES = ["nose", "left eye", "right eye"]
BOX = (10.0, 5.0, 60.0, 95.0)


def write_dots(folder: Path) -> None:
    """Sees two points wherever it looks: one in the middle, one in the upper left corner."""
    folder.mkdir()
    write_described(
        folder,
        {
            "task": "detect",
            "input": FOUR_BY_FOUR,
            "output": {"decoder": "keypoints", "points": ["middle", "corner"]},
            "labels": ["thing"],
        },
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "points"], ["keypoints"]),
        outputs=("keypoints",),
        nothing=np.float32(0),
        points=np.array([[[[0.5, 0.5, 0.875], [0, 0, 0.125]]]], np.float32),
    )


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("poses")
    tiny_vision_model(place / "vitpose", "vitpose", seed=3)
    write_dots(place / "dots")
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(place / "vitpose", POSES)  # the task is told from the class
    session.registry.import_folder(place / "dots", DOTS)
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=240) as client:
            client.load(POSES, backend="cpu", precision="fp32")
            client.load(DOTS)
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def test_points_come_by_every_way_in(server: Any, client: Client) -> None:
    data = png((40, 20))
    (found,) = client.detect([data], DOTS).images[0].detections
    points = [(point.name, point.score, point.x, point.y) for point in found.keypoints]
    assert points == [("middle", 0.875, 20, 10), ("corner", 0.125, 0, 0)]
    box = found.box
    assert (found.label, found.score, box.x_min, box.y_min, box.x_max, box.y_max) == ("thing", 0.5, 0, 0, 20, 10)
    told = httpx2.post(f"{server.http_url}/v1/detect/{DOTS}", content=data, headers={"content-type": "image/png"})
    (thing,) = told.json()
    assert thing["keypoints"][0] == {"name": "middle", "score": 0.875, "x": 20, "y": 10}
    (by_hub,) = InferenceClient(model=f"{server.http_url}/v1/detect/{DOTS}").object_detection(data, threshold=0.1)
    assert (by_hub.label, by_hub.score) == ("thing", 0.5)


def test_people_are_looked_for_where_they_stand(server: Any, client: Client) -> None:
    data = photograph()
    boxes = [BOX, (70, 20, 150, 80)]
    (image,) = client.detect([data], POSES, boxes=boxes, threshold=0).images
    assert {(each.box.x_min, each.box.x_max) for each in image.detections} == {(10, 60), (70, 150)}
    assert [[point.name for point in each.keypoints] for each in image.detections] == [NAMES] * 2
    (whole,) = client.detect([data], POSES, threshold=0).images[0].detections
    assert (whole.box.x_min, whole.box.x_max, whole.box.y_max) == (0, 150, 100)
    sides = [dict(zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)) for box in boxes]
    parameters = {"boxes": sides, "threshold": 0}
    body = {"inputs": base64.b64encode(data).decode(), "model": POSES, "parameters": parameters}
    for path in ("/v1/detect", "/v1/vision/detect", "/v1/tool/vision/detect"):
        told = httpx2.post(f"{server.http_url}{path}", json=body).json()
        for thing, each in zip(told, image.detections, strict=True):
            assert thing["score"] == pytest.approx(each.score)
            assert [point["x"] for point in thing["keypoints"]] == pytest.approx([at.x for at in each.keypoints])


@pytest.mark.parametrize(
    ("model", "images", "options", "words"),
    [
        (POSES, 2, {"boxes": [BOX]}, "`boxes` are of one image, and there are 2"),
        (POSES, 1, {"boxes": [BOX] * 65}, "`boxes` has 65 items; the limit is 64"),
        (POSES, 1, {"boxes": [BOX, (5, 5, 5, 9)]}, r"`boxes\[1\]` must end to the right of where it begins"),
        (POSES, 1, {"boxes": [(0, 0, float("nan"), 9)]}, r"`boxes\[0\]` must end to the right"),
        (POSES, 1, {"boxes": [(0, 0, 151, 9)]}, r"`boxes\[0\]` reaches past the image, which has 150 × 100 pixels"),
        (POSES, 1, {"candidate_labels": ["a cat"]}, "`candidate_labels` are for models that look for what texts say"),
        (DOTS, 1, {"boxes": [BOX]}, "`boxes` are for models that look for the points of whoever stands in one"),
    ],
)
def test_wrong_boxes_are_refused_by_name(
    client: Client, model: str, images: int, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        client.detect([photograph()] * images, model, **options)


def test_points_are_told_and_drawn_by_the_command_line(server: Any, tmp_path: Path) -> None:
    image, drawn = tmp_path / "image.png", tmp_path / "drawn.png"
    image.write_bytes(png((40, 20), colour=(90, 90, 90)))

    address = ("--address", server.grpc_address)
    told = panope("detect", DOTS, image, "--draw", drawn, "--max-detections", "1", *address).out
    assert "0.5000  thing  [0, 0, 20, 10]" in told
    assert "0.8750    middle  20, 10" in told
    with Image.open(drawn) as made:
        assert made.size == (40, 20)
        middle, corner = made.getpixel((20, 10)), made.getpixel((38, 18))
        assert middle != (90, 90, 90)  # the point
        assert corner == (90, 90, 90)
    (image,) = [tmp_path / "photograph.png"]
    image.write_bytes(photograph())
    box = ("detect", POSES, image, *address, "--box")
    (person,) = panope(*box, "10,5,60,95", "--threshold", "0", "--json").json["detections"]
    assert person["box"] == list(BOX)
    assert [point["name"] for point in person["keypoints"]] == NAMES
    assert "must be four numbers" in " ".join(panope(*box, "10,5,60", code=1).err.split())
