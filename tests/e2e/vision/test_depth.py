"""A tiny model of depth in a real worker behind a real Envoy: every way in gives the same map, and abuse is refused."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from tests.served_images import photograph

from command_line import panope
from panope.v1 import depth_service_pb2 as pb
from panope_backends.testing.vision.models import tiny_vision_model
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# A worker with PyTorch, and the library that it is compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "acme/glpn"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("glpn")
    tiny_vision_model(made, "glpn", seed=3)
    return made


@pytest.fixture(scope="module")
def server(make_servers: Any, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place = tmp_path_factory.mktemp("depth")
    home = place / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(folder, MODEL)  # the task is told from the class
    session.close()
    servers = make_servers(place, place)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=240) as client:
            client.load(MODEL, backend="cpu", precision="fp32")
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def expected(folder: Path, data: bytes) -> np.ndarray[Any, Any]:
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pipeline = transformers.pipeline("depth-estimation", model=str(folder), image_processor=processor, device="cpu")
    found: np.ndarray[Any, Any] = pipeline(Image.open(io.BytesIO(data)))["predicted_depth"].numpy()
    return found


def values_of(png: bytes, low: float, high: float) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(png)) as file:
        return low + np.asarray(file).astype(np.float64) / 65535 * (high - low)


def test_depth_is_that_of_transformers_by_every_way_in(server: Any, client: Client, folder: Path) -> None:
    data = photograph()
    wanted = expected(folder, data)
    exact, file = (client.estimate_depth([data], MODEL, depth_format=form).images[0] for form in ("float32", "png"))  # type: ignore[arg-type]
    assert (exact.width, exact.height, exact.unit) == (150, 100, pb.DEPTH_UNIT_METRE)
    assert np.frombuffer(exact.float32, "<f4").reshape(100, 150) == pytest.approx(wanted, abs=1e-4)
    step = (file.max - file.min) / 65535
    assert values_of(file.png, file.min, file.max) == pytest.approx(wanted, abs=1e-4 + step)
    for path in (f"/v1/depth/{MODEL}", "/v1/vision/depth", "/v1/tool/vision/depth", "/v1/depth"):
        answer = httpx2.post(f"{server.http_url}{path}", content=data, headers={"content-type": "image/png"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["width"], told["height"], told["unit"], told["predicted_depth"]) == (150, 100, "metre", None)
        assert base64.b64decode(told["depth"]) == file.png
        assert (told["min"], told["max"]) == pytest.approx((file.min, file.max))
    body = {"inputs": base64.b64encode(data).decode(), "parameters": {"depth_format": "float32"}, "model": MODEL}
    told = httpx2.post(f"{server.http_url}/v1/vision/depth", json=body).json()
    assert (base64.b64decode(told["predicted_depth"]), told["depth"]) == (exact.float32, None)


def test_depth_is_written_by_the_command_line(server: Any, client: Client, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(photograph(4))
    (found,) = client.estimate_depth([image], MODEL).images

    command = ("depth", MODEL, image, "--address", server.grpc_address, "--out")
    told = panope(*command, tmp_path / "depth.png").out
    assert "150 × 100" in told
    assert told.rstrip().endswith("metres")
    assert (tmp_path / "depth.png").read_bytes() == found.png
    values = panope(*command, tmp_path / "depth.npy", "--json").json
    assert (values["width"], values["height"], values["unit"]) == (150, 100, "metre")
    assert np.load(tmp_path / "depth.npy") == pytest.approx(values_of(found.png, found.min, found.max), abs=1e-3)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def animation() -> bytes:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(Image.new("L", (13_000, 13_000))), "169,000,000 in all; the limit is 50,000,000"),
        (encoded(Image.new("L", (1, 100_000))), "one side may be 200 times the other"),
        (encoded(Image.new("L", (4097, 4096))), "16,781,312 pixels; the limit of this task is 16,777,216"),
        (encoded(Image.new("L", (1500, 1500))), "of which the model would see 2,166,784; the limit is 2,097,152"),
        (photograph()[:20], "truncated or broken"),
        (cut(photograph()), "truncated or broken"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%PDF-1.7", "a PDF file"),
        (encoded(Image.new("L", (5, 5))), "the model's processor makes nothing"),
    ],
)
def test_images_that_would_cost_too_much_are_refused_by_name(client: Client, data: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=r"images\[1\]") as refused:
        client.estimate_depth([photograph(), data], MODEL)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        animation(),
        encoded(Image.new("CMYK", (64, 48), (10, 200, 30, 5)), "JPEG"),
        encoded(Image.fromarray(np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 16)),
        encoded(Image.new("P", (64, 48))),
        encoded(Image.new("RGBA", (64, 48), (9, 9, 9, 9))),
    ],
    ids=["animation", "CMYK", "16 bits", "palette", "transparent"],
)
def test_images_of_every_kind_are_seen(client: Client, data: bytes) -> None:
    (found,) = client.estimate_depth([data], MODEL).images
    assert (found.width, found.height) == (64, 48)


def test_more_images_than_a_call_takes_are_refused(client: Client) -> None:
    with pytest.raises(InvalidInputError, match="`images` has 9 items; the limit is 8"):
        client.estimate_depth([photograph()] * 9, MODEL)
    assert len(client.estimate_depth([photograph(seed) for seed in range(8)], MODEL).images) == 8
