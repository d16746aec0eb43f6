"""ONNX files with `panope.json`, imported and served: every way in gives the answer that is right."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import InferenceClient
from tests.described_graphs import png, write_classifier, write_detector, write_segmenter

import command_line
from panope_client import Client, InvalidInputError, PreconditionError

# A server with three workers, and a process for each command.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIGHT, OBJECTS, SPOTS = "acme/light", "acme/objects", "acme/spots"
WRITERS = {LIGHT: write_classifier, OBJECTS: write_segmenter, SPOTS: write_detector}

#: One white pixel, and images whose right half is white.
SPOT, HALF = png((20, 10), (12, 3, 13, 4)), png((20, 10), (10, 0, 20, 10))
WHITE = png((9, 5))


def panope(*arguments: object, code: int = 0) -> str:
    """Runs the command; what it printed."""
    result = command_line.panope(*arguments, code=code)
    return result.out if code == 0 else result.out + result.err


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("described")
    home = folder / "home"
    for name, write in WRITERS.items():
        (source := folder / name).mkdir(parents=True)
        write(source)
        panope("import", source, "--name", name, "--home", home)
    servers = make_servers(folder, folder)
    try:
        yield servers.start(*(f"--load={name}" for name in WRITERS), home=home, demo=False)
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def labels(client: Client) -> dict[str, float]:
    (found,) = client.classify_images([WHITE], LIGHT).classifications
    return {each.label: each.score for each in found.labels}


def segments(client: Client) -> list[tuple[str, int, tuple[float, ...]]]:
    (found,) = client.segment([HALF], OBJECTS).images
    return [
        (each.label, each.area, (each.box.x_min, each.box.y_min, each.box.x_max, each.box.y_max))
        for each in found.segments
    ]


def boxes(client: Client, *images: bytes) -> list[list[tuple[float, ...]]]:
    return [
        [(each.box.x_min, each.box.y_min, each.box.x_max, each.box.y_max) for each in found.detections]
        for found in client.detect(images, SPOTS).images
    ]


def right_answers(client: Client) -> None:
    """Asks all three."""
    assert labels(client) == {"light": pytest.approx(0.99966, abs=1e-4), "dark": pytest.approx(0.00034, abs=1e-4)}
    assert segments(client) == [("object", 100, (10, 0, 20, 10))]
    # Images of one call need not be of one size.
    told = boxes(client, SPOT, png((7, 31), (0, 30, 1, 31)), png((3, 3), colour=(0, 0, 0)))
    assert told == [[pytest.approx((12, 3, 13, 4))], [pytest.approx((0, 30, 1, 31))], []]


def test_grpc_gives_the_right_answers_also_after_the_workers_were_killed(server: Any, client: Client) -> None:
    assert {model.name: model.task for model in client.models()} == {
        LIGHT: "classify",
        OBJECTS: "segment",
        SPOTS: "detect",
    }
    right_answers(client)
    killed = server.workers()
    assert len(killed) == len(WRITERS)
    for worker in killed:
        worker.kill()
    server.wait(lambda: not any(worker.is_running() for worker in killed), 10, "the end of the workers")
    server.wait(lambda: len(server.workers()) == len(WRITERS), 30, "new workers")
    server.wait_ready(30)
    right_answers(client)


def test_rest_gives_them_through_envoy(server: Any) -> None:
    def ask(path: str, model: str, image: bytes, **parameters: Any) -> Any:
        document = {"model": model, "inputs": base64.b64encode(image).decode(), "parameters": parameters}
        reply = server.post(path, document)
        assert reply.status == 200, reply.body
        return reply.json

    light, dark = ask("/v1/classify", LIGHT, WHITE)
    assert (light["label"], dark["label"]) == ("light", "dark")
    assert light["score"] == pytest.approx(0.99966, abs=1e-4)
    (segment,) = ask("/v1/tool/vision/segment", OBJECTS, HALF, mask_format="rle")
    assert (segment["label"], segment["mask"]) == ("object", {"size": [10, 20], "counts": [100, 100]})
    (spot,) = ask("/v1/vision/detect", SPOTS, SPOT)
    assert (spot["label"], spot["box"]) == ("face", {"xmin": 12, "ymin": 3, "xmax": 13, "ymax": 4})


def test_the_client_of_the_hub_is_served(server: Any) -> None:
    def hub(verb: str, model: str) -> InferenceClient:
        return InferenceClient(model=f"{server.http_url}/v1/{verb}/{model}")

    assert [each.label for each in hub("classify", LIGHT).image_classification(WHITE)] == ["light", "dark"]
    (segment,) = hub("segment", OBJECTS).image_segmentation(HALF)
    assert (segment.label, segment.mask.size, segment.mask.getbbox()) == ("object", (20, 10), (10, 0, 20, 10))
    (spot,) = hub("detect", SPOTS).object_detection(SPOT)
    assert (spot.label, spot.box.xmin, spot.box.ymin) == ("face", 12, 3)


def test_the_command_line_asks_them(server: Any, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.png" for name in ("white", "half", "spot")}
    for file, content in zip(files.values(), (WHITE, HALF, SPOT), strict=True):
        file.write_bytes(content)
    where = ("--address", server.grpc_address)
    assert ": light 0.9997, dark 0.0003" in panope("classify", LIGHT, "--image", files["white"], *where)
    assert "50.0%  object" in panope("segment", OBJECTS, files["half"], "--draw", tmp_path / "drawn.png", *where)
    assert "1.0000  face  [12, 3, 13, 4]" in panope("detect", SPOTS, files["spot"], *where)
    assert (tmp_path / "drawn.png").stat().st_size


def test_what_they_do_not_do_is_refused_by_name(server: Any, client: Client) -> None:
    with pytest.raises(InvalidInputError, match="candidate_labels"):
        client.classify_images([WHITE], LIGHT, candidate_labels=["a fox"])
    with pytest.raises(InvalidInputError, match="candidate_labels"):
        client.detect([SPOT], SPOTS, candidate_labels=["a fox"])
    with pytest.raises(InvalidInputError, match="`subtask` must be one of semantic"):
        client.segment([HALF], OBJECTS, subtask="panoptic")
    with pytest.raises(InvalidInputError, match=r"images\[1\]"):
        client.detect([SPOT, b"no image"], SPOTS)
    reply = server.post(f"/v1/detect/{SPOTS}", body=SPOT[:40], headers={"content-type": "image/png"})
    assert (reply.status, reply.json["error"]["param"]) == (400, "inputs")
    with pytest.raises(InvalidInputError, match="does not serve `segment`: its task is `detect`"):
        client.segment([SPOT], SPOTS)
    with pytest.raises(PreconditionError, match="does not do `classify`; it does classify-images"):
        client.classify(["a text"], LIGHT)


def test_a_description_that_does_not_fit_is_refused_by_name(server: Any, client: Client, tmp_path: Path) -> None:
    write_segmenter(tmp_path)
    file = tmp_path / "panope.json"
    description = json.loads(file.read_text())

    def bring(name: str, code: int = 0, **changed: Any) -> str:
        file.write_text(json.dumps({**description, **changed}))
        return panope("import", tmp_path, "--name", name, "--home", server.home, code=code)

    assert "unknown field `pad`" in bring("acme/unknown-key", code=1, pad=1)
    assert "`output.decoder` of the task `detect` must be `center-points`" in bring("acme/other", code=1, task="detect")
    bring("acme/no-output", output={"decoder": "salient-mask", "mask": "alpha"})
    with pytest.raises(PreconditionError, match="names the output `alpha`; the graph gives other, saliency"):
        client.load("acme/no-output")
    shutil.rmtree(tmp_path)  # files were copied
    assert segments(client)
