"""Models that make images larger, in real workers behind a real Envoy: every way in gives the same."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from PIL import Image
from tests.described_graphs import write_enlarger
from tests.served_images import photograph

from command_line import panope
from panope_backends.testing.vision.models import tiny_vision_model
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# Two workers, one with PyTorch.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWIN, SQUARES = "acme/swin2sr", "acme/squares"


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("super-resolution")
    folders = {SWIN: place / "swin", SQUARES: place / "squares"}
    tiny_vision_model(folders[SWIN], "swin2sr", seed=3)
    folders[SQUARES].mkdir()
    write_enlarger(folders[SQUARES])
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, folder in folders.items():
        session.registry.import_folder(folder, name)  # the task is told from the class, and by panope.json
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=240) as client:
            client.load(SWIN, backend="cpu", precision="fp32")
            client.load(SQUARES)
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def pixels(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("name", [SWIN, SQUARES])
def test_an_image_becomes_larger_by_every_way_in(server: Any, client: Client, name: str) -> None:
    data = photograph(0, (45, 30))
    (made,) = client.upscale([data], name).images
    assert (made.width, made.height, pixels(made.content).shape) == (90, 60, (60, 90, 3))
    if name == SQUARES:
        assert np.array_equal(pixels(made.content), pixels(data).repeat(2, axis=0).repeat(2, axis=1))
    by_hub = InferenceClient(model=f"{server.http_url}/v1/superres/{name}").image_to_image(data)
    assert np.array_equal(np.asarray(by_hub), pixels(made.content))
    for path in ("/v1/superres", "/v1/vision/superres", "/v1/tool/vision/superres"):
        body = {"inputs": base64.b64encode(data).decode(), "model": name}
        answer = httpx2.post(f"{server.http_url}{path}", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
        assert answer.content == made.content
    body = {"inputs": base64.b64encode(data).decode(), "parameters": {"output_format": "jpeg"}}
    answer = httpx2.post(f"{server.http_url}/v1/superres/{name}", json=body)
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("JPEG", (90, 60))


def test_an_image_of_many_tiles_is_whole(client: Client) -> None:
    data = photograph(7, (1000, 850))
    images = client.upscale([data, photograph(0, (9, 9))], SQUARES).images
    assert np.array_equal(pixels(images[0].content), pixels(data).repeat(2, axis=0).repeat(2, axis=1))
    assert (images[1].width, images[1].height) == (18, 18)


def test_what_models_of_prompts_would_read_is_refused_by_name(server: Any) -> None:
    body = {"inputs": base64.b64encode(photograph()).decode(), "parameters": {"prompt": "a fox"}}
    refused = httpx2.post(f"{server.http_url}/v1/superres/{SQUARES}", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "parameters.prompt")


def test_a_file_is_written_by_the_command_line(server: Any, client: Client, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(photograph(4, (20, 30)))

    command = ("superres", SQUARES, image, "--address", server.grpc_address, "--out")
    assert panope(*command, tmp_path / "out.png").out.rstrip().endswith("40 × 60")
    assert (tmp_path / "out.png").read_bytes() == client.upscale([image], SQUARES).images[0].content
    assert panope(*command, tmp_path / "out.jpg", "--json").json == {
        "file": str(tmp_path / "out.jpg"),
        "width": 40,
        "height": 60,
    }
    with Image.open(tmp_path / "out.jpg") as made:
        assert made.format == "JPEG"
    refused = panope(*command, tmp_path / "out.gif", code=1).err
    assert "ends in none of .png, .jpg, .jpeg" in " ".join(refused.split())


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(Image.new("L", (13_000, 13_000))), "169,000,000 in all; the limit is 50,000,000"),
        (encoded(Image.new("L", (1, 100_000))), "one side may be 200 times the other"),
        (
            encoded(Image.new("L", (2049, 2048))),
            "would become 4,098 × 4,096, 16,785,408 in all; the limit is 16,777,216",
        ),
        (photograph()[:20], "truncated or broken"),
        (photograph()[:-100], "truncated or broken"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"", "is empty"),
    ],
)
@pytest.mark.parametrize("name", [SWIN, SQUARES])
def test_images_that_would_cost_too_much_are_refused_by_name(
    client: Client, name: str, data: bytes, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=r"images\[1\]") as refused:
        client.upscale([photograph(0, (8, 8)), data], name)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.new("RGB", (16, 8), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (16, 8))]),
        encoded(Image.new("CMYK", (16, 8), (10, 200, 30, 5)), "JPEG"),
        encoded(Image.fromarray(np.arange(128, dtype=np.uint16).reshape(8, 16) * 500)),
        encoded(Image.new("P", (16, 8))),
        encoded(Image.new("RGBA", (16, 8), (9, 9, 9, 9))),
    ],
    ids=["animation", "CMYK", "16 bits", "palette", "transparent"],
)
@pytest.mark.parametrize("name", [SWIN, SQUARES])
def test_images_of_every_kind_become_larger(client: Client, name: str, data: bytes) -> None:
    (made,) = client.upscale([data], name).images
    assert (made.width, made.height) == (32, 16)


def test_more_images_than_a_call_takes_are_refused(client: Client) -> None:
    with pytest.raises(InvalidInputError, match="`images` has 5 items; the limit is 4"):
        client.upscale([photograph()] * 5, SQUARES)
