"""Trained weights that read images, through a server and Envoy: gRPC and REST give the answers that are known."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.backends.tasks.ocr.test_real_ocr import LETTER, bare, letter
from tests.dinov2_small import write_dinov2_small
from tests.real_graphs import write_graph, write_reader, write_upscaler
from tests.real_models import sample

from panope_client import Client
from panope_registry.session import RegistrySession

# Packages of some megabytes, and a server with a worker for each.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def write_encoder(folder: Path) -> Path:
    write_dinov2_small(folder)
    return folder


#: Each with who writes its files.
MODELS: dict[str, Callable[[Path], Path]] = {
    "real/faces": lambda folder: write_graph(folder, "centerface"),
    "real/layout": lambda folder: write_graph(folder, "layout"),
    "real/cut-out": lambda folder: write_graph(folder, "u2netp"),
    "real/larger": write_upscaler,
    "real/reader": write_reader,
    "real/encoder": write_encoder,
}


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("real-images")
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, write in MODELS.items():
        session.registry.import_folder(write(place / name), name)
    session.close()
    servers = make_servers(place, place)
    try:
        yield servers.start(home=home, demo=False)
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address, timeout=240) as made:
        yield made


def over_rest(server: Any, path: str, image: bytes, **parameters: Any) -> Any:
    reply = server.post(path, {"inputs": base64.b64encode(image).decode(), "parameters": parameters})
    assert reply.status == 200, reply.body
    return reply.json


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_face_is_where_it_is(server: Any, client: Client) -> None:
    astronaut, cat = client.detect([sample("astronaut.png"), sample("chelsea.png")], "real/faces").images
    (face,) = astronaut.detections
    assert (face.label, list(cat.detections)) == ("face", [])
    box = face.box
    assert (box.x_min, box.y_min, box.x_max - box.x_min, box.y_max - box.y_min) == pytest.approx(
        (182, 58, 88, 120), abs=3
    )
    (told,) = over_rest(server, "/v1/detect/real/faces", sample("astronaut.png"))
    assert told["score"] == pytest.approx(face.score, abs=1e-4)
    assert told["box"]["xmin"] == pytest.approx(box.x_min, abs=1)


def test_a_page_is_divided_into_its_parts(server: Any, client: Client) -> None:
    sheet = Image.new("RGB", (608, 800), "white")
    sheet.paste(opened(sample("page.png")).convert("RGB"), (100, 100))
    (found,) = client.detect([png(sheet)], "real/layout", threshold=0.4).images
    assert [each.label for each in found.detections] == ["text", "text", "title"]
    assert [each.score for each in found.detections] == pytest.approx([0.915, 0.731, 0.601], abs=0.005)
    told = over_rest(server, "/v1/detect/real/layout", png(sheet), threshold=0.4)
    assert [each["label"] for each in told] == ["text", "text", "title"]


def test_what_an_image_is_of_is_cut_out(server: Any, client: Client) -> None:
    (image,) = client.segment([sample("coffee.png")], "real/cut-out").images
    (segment,) = image.segments
    assert segment.area / (image.width * image.height) == pytest.approx(0.476, abs=0.02)
    (told,) = over_rest(server, "/v1/segment/real/cut-out", sample("coffee.png"))
    mask = np.asarray(opened(base64.b64decode(told["mask"])))
    assert np.array_equal(mask, np.asarray(opened(segment.png)))


def test_a_small_image_becomes_larger(server: Any, client: Client) -> None:
    small = png(opened(sample("astronaut.png")).convert("RGB").resize((64, 48)))
    (made,) = client.upscale([small], "real/larger").images
    assert (made.width, made.height) == (256, 192)
    reply = server.post("/v1/superres/real/larger", body=small, headers={"content-type": "image/png"})
    assert (reply.status, reply.body) == (200, made.content)


def test_a_letter_is_read(server: Any, client: Client) -> None:
    wanted = [bare(each) for each in LETTER]
    (page,) = client.recognize([png(letter())], "real/reader").pages
    assert [bare(line.text) for line in page.lines] == wanted
    (told,) = over_rest(server, "/v1/ocr/real/reader", png(letter()))["pages"]
    assert [bare(line["text"]) for line in told["lines"]] == wanted


def test_images_alike_have_vectors_alike_also_after_the_workers_were_killed(server: Any, client: Client) -> None:
    options: dict[str, Any] = {"image_pooling": "patch_mean", "normalize": True}
    images = [sample(name) for name in ("chelsea.png", "coffee.png")]
    mirrored = png(opened(images[0]).convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    found = client.embed_images([images[0], mirrored, images[1]], "real/encoder", **options)
    cat, its_mirror, coffee = np.array(found.vectors)
    assert cat @ its_mirror > 0.9 > 0.6 > cat @ coffee
    killed = server.workers()
    for worker in killed:
        worker.kill()
    server.wait(lambda: not any(worker.is_running() for worker in killed), 10, "the end of the workers")
    server.wait(lambda: len(server.workers()) == len(killed), 60, "new workers")
    body = {"inputs": {"image": base64.b64encode(images[0]).decode()}, "parameters": options}
    reply = server.post("/v1/embed/real/encoder", body)
    assert reply.status == 200, reply.body
    assert np.allclose(np.array(reply.json).reshape(-1), cat, atol=1e-4)
