"""A tiny model that segments, in a real worker behind a real Envoy: every way in gives the masks of transformers."""

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

from command_line import panope
from panope_backends.testing.vision.models import tiny_vision_model
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession

# Two workers with PyTorch, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEGFORMER, MASK2FORMER = "acme/segformer", "acme/mask2former"
KINDS = {SEGFORMER: "segformer", MASK2FORMER: "mask2former"}
LOW = {"threshold": 0.2, "mask_threshold": 0.05}


def photograph(seed: int = 0, size: tuple[int, int] = (150, 100)) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(size).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp(kind) for name, kind in KINDS.items()}
    for name, folder in made.items():
        tiny_vision_model(folder, KINDS[name], seed=3)
    return made


@pytest.fixture(scope="module")
def server(make_servers: Any, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("segmentation")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, path in folders.items():
        session.registry.import_folder(path, name)  # the task is told from the class
    session.close()
    servers = make_servers(folder, folder)
    try:
        started = servers.start(home=home, demo=False)
        with Client(started.grpc_address, timeout=240) as client:
            for name in folders:
                client.load(name, backend="cpu", precision="fp32")
        yield started
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def expected(folder: Path, data: bytes, **options: Any) -> list[dict[str, Any]]:
    """What transformers' pipeline says."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pipeline = transformers.pipeline("image-segmentation", model=str(folder), image_processor=processor, device="cpu")
    found: list[dict[str, Any]] = pipeline(Image.open(io.BytesIO(data)), **options)
    return found


def same(ours: Image.Image, theirs: Image.Image) -> bool:
    """But for a pixel in a thousand, where two labels are as good as each other."""
    assert (ours.size, ours.mode) == (theirs.size, theirs.mode)
    return bool((np.asarray(ours) == np.asarray(theirs)).mean() > 0.999)


@pytest.mark.parametrize(("name", "options"), [(SEGFORMER, {}), (MASK2FORMER, LOW)])
def test_segments_are_those_of_transformers(
    server: Any, client: Client, folders: dict[str, Path], name: str, options: dict[str, float]
) -> None:
    data = photograph()
    wanted = expected(folders[name], data, **options)
    assert wanted
    (found,) = client.segment([data], name, **options).images  # type: ignore[arg-type]
    assert (found.width, found.height) == (150, 100)
    over_http = InferenceClient(model=f"{server.http_url}/v1/segment/{name}").image_segmentation(data, **options)  # type: ignore[arg-type]
    assert [one.label for one in found.segments] == [one.label for one in over_http]
    left = list(wanted)
    for ours, told in zip(found.segments, over_http, strict=True):
        mask = Image.open(io.BytesIO(ours.png))
        theirs = next(each for each in left if each["label"] == ours.label and same(mask, each["mask"]))
        left.remove(theirs)
        assert same(told.mask, mask)
        score = ours.score if ours.HasField("score") else None
        assert score == (None if theirs["score"] is None else pytest.approx(theirs["score"], abs=1e-4))
        assert told.score == (None if score is None else pytest.approx(score))
    assert not left


def test_runs_are_those_of_the_mask(server: Any, client: Client) -> None:
    data = photograph(3, (37, 21))
    body = {
        "model": SEGFORMER,
        "inputs": base64.b64encode(data).decode(),
        "parameters": {"mask_format": "rle", "max_segments": 1},
    }
    for path in ("/v1/vision/segment", "/v1/tool/vision/segment"):
        plain = httpx2.post(f"{server.http_url}{path}", json=body)
        assert plain.status_code == 200, plain.text
        (segment,) = plain.json()
        assert segment["mask"]["size"] == [21, 37]
        (best,) = client.segment([data], SEGFORMER, max_segments=1).images[0].segments
        counts = segment["mask"]["counts"]
        inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape((21, 37), order="F")
        assert np.array_equal(inside, np.asarray(Image.open(io.BytesIO(best.png))) > 0)
        assert inside.sum() == best.area


def test_what_the_model_does_not_do_is_refused_by_name(server: Any, client: Client) -> None:
    with pytest.raises(InvalidInputError, match="`subtask` must be one of semantic for this model"):
        client.segment([photograph()], SEGFORMER, subtask="panoptic")
    with pytest.raises(InvalidInputError, match=r"images\[1\]` has 16,810,000 pixels; the limit of this task"):
        client.segment([photograph(), photograph(size=(4100, 4100))], SEGFORMER)
    refused = httpx2.post(
        f"{server.http_url}/v1/segment/{SEGFORMER}",
        json={"inputs": base64.b64encode(photograph()).decode(), "parameters": {"threshold": 0.5}},
    )
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "parameters.threshold")


def test_masks_are_written_by_the_command_line(server: Any, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(photograph())
    arguments = ["segment", SEGFORMER, image, "--out", tmp_path / "masks", "--draw", tmp_path / "drawn.png"]
    told = panope(*arguments, "--address", server.grpc_address).out
    files = sorted((tmp_path / "masks").iterdir())
    assert files
    assert all(file.name in told for file in files)
    with Image.open(tmp_path / "drawn.png") as drawn:
        assert drawn.size == (150, 100)
