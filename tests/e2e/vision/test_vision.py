"""Tiny models of images in real workers behind a real Envoy: every way in gives one answer, that of transformers."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from PIL import Image

from panope_backends.testing.vision.models import tiny_vision_model
from panope_backends.testing.vision.parts import LABELS
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession
from scripted_server import Script, http

# Three workers with PyTorch, and the library that they are compared with.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VIT, CLIP, DETR = "acme/vit", "acme/clip", "acme/detr"
TOWERS, OWL = "acme/towers", "acme/owl"
#: The same weights as sentence-transformers lays them out.
MODULES = "acme/modules"
KINDS = {
    VIT: ("vit", "classify"),
    CLIP: ("clip", "classify"),
    DETR: ("detr", "detect"),
    TOWERS: ("clip", "embed"),
    OWL: ("owlvit", "detect"),
    MODULES: ("clip", "embed"),
}
OWN_LABELS = ["a fox runs", "the dog sleeps", "London"]


def photograph(seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((150, 100)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: tmp_path_factory.mktemp(kind) for name, (kind, _) in KINDS.items()}
    for name, folder in made.items():
        tiny_vision_model(folder / "0_CLIPModel" if name == MODULES else folder, KINDS[name][0])
    listed = [("0_CLIPModel", "CLIPModel"), ("1_Normalize", "Normalize")]
    entries = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in listed]
    (made[MODULES] / "modules.json").write_text(json.dumps(entries))
    return made


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Script]:
    """A server that has a photograph."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Script(listener.getsockname()[1])
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        made.reply("/photograph", http(200, photograph(), kind="text/html"))
        yield made
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def server(
    make_servers: Any, folders: dict[str, Path], elsewhere: Script, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("vision")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    for name, path in folders.items():
        session.registry.import_folder(path, name, task_hints=(KINDS[name][1],))
    session.close()
    servers = make_servers(folder, folder)
    try:
        started = servers.start(home=home, demo=False, PANOPE_MEDIA_URLS_ALLOWED_HOSTS=f"127.0.0.1:{elsewhere.port}")
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


def expected(folder: Path, task: str, data: bytes, **options: Any) -> list[dict[str, Any]]:
    """What transformers' pipeline says, the highest score first."""
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pipeline = transformers.pipeline(task, model=str(folder), image_processor=processor, device="cpu")
    found = pipeline(Image.open(io.BytesIO(data)), **options)
    return sorted(found, key=lambda one: -one["score"])


def test_images_are_classified_as_by_transformers(server: Any, client: Client, folders: dict[str, Path]) -> None:
    images = [photograph(seed) for seed in range(10)]
    answer = client.classify_images(images, VIT)
    for data, found in zip(images, answer.classifications, strict=True):
        wanted = expected(folders[VIT], "image-classification", data)
        assert [one.label for one in found.labels] == [one["label"] for one in wanted]
        assert [one.score for one in found.labels] == pytest.approx([one["score"] for one in wanted], abs=1e-5)
    over_http = InferenceClient(model=f"{server.http_url}/v1/classify/{VIT}")
    first = answer.classifications[0].labels
    for told in (
        over_http.image_classification(images[0]),
        over_http.image_classification(images[0], top_k=len(LABELS)),
    ):
        assert [(one.label, one.score) for one in told] == [(one.label, pytest.approx(one.score)) for one in first]


def test_images_are_compared_with_texts_as_by_transformers(
    server: Any, client: Client, folders: dict[str, Path]
) -> None:
    data = photograph()
    wanted = expected(folders[CLIP], "zero-shot-image-classification", data, candidate_labels=OWN_LABELS)
    (found,) = client.classify_images([data], CLIP, candidate_labels=OWN_LABELS).classifications
    assert {one.label: one.score for one in found.labels} == {
        one["label"]: pytest.approx(one["score"], abs=1e-5) for one in wanted
    }
    over_http = InferenceClient(model=f"{server.http_url}/v1/classify/{CLIP}").zero_shot_image_classification(
        data, OWN_LABELS
    )
    assert [one.label for one in over_http] == [one["label"] for one in wanted]


def test_things_are_found_where_transformers_finds_them(server: Any, client: Client, folders: dict[str, Path]) -> None:
    data = photograph()
    wanted = expected(folders[DETR], "object-detection", data, threshold=0.0)
    (found,) = client.detect([data], DETR, threshold=0.0).images
    assert (found.width, found.height) == (150, 100)
    assert [one.label for one in found.detections] == [one["label"] for one in wanted]
    for ours, theirs in zip(found.detections, wanted, strict=True):
        corners = (ours.box.x_min, ours.box.y_min, ours.box.x_max, ours.box.y_max)
        assert corners == pytest.approx(tuple(theirs["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")), abs=1)
    over_http = InferenceClient(model=f"{server.http_url}/v1/detect/{DETR}").object_detection(data, threshold=0.01)
    assert [one.label for one in over_http] == [one.label for one in found.detections]
    plain = httpx2.post(
        f"{server.http_url}/v1/vision/detect",
        json={"model": DETR, "inputs": base64.b64encode(data).decode(), "parameters": {"max_detections": 2}},
    )
    assert plain.status_code == 200
    assert len(plain.json()) <= 2


def test_an_image_by_its_url_is_the_image_itself(server: Any, client: Client, elsewhere: Script) -> None:
    data, url = photograph(), f"http://127.0.0.1:{elsewhere.port}/photograph"
    assert (
        client.detect([url, data], DETR, threshold=0.0).images
        == client.detect([data, data], DETR, threshold=0.0).images
    )
    assert [asked.path for asked in elsewhere.asked] == ["/photograph"]
    over_http = httpx2.post(f"{server.http_url}/v1/classify/{VIT}", json={"inputs": url}, timeout=60)
    sent = httpx2.post(f"{server.http_url}/v1/classify/{VIT}", json={"inputs": base64.b64encode(data).decode()})
    assert over_http.json() == sent.json()
    missing = httpx2.post(f"{server.http_url}/v1/detect/{DETR}", json={"inputs": f"{url}/none"}, timeout=60)
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "inputs")
    assert "answered with status 404" in missing.json()["error"]["message"]
    with pytest.raises(InvalidInputError, match=r"`images\[0\]` leads to the host `169.254.169.254`"):
        client.detect(["http://169.254.169.254/latest/meta-data"], DETR)


def test_images_and_texts_have_vectors_of_one_space(server: Any, client: Client, folders: dict[str, Path]) -> None:
    import torch
    import transformers

    data = [photograph(0), photograph(1)]
    library = transformers.AutoModel.from_pretrained(folders[TOWERS]).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folders[TOWERS], backend="pil")
    tokens = transformers.AutoTokenizer.from_pretrained(folders[TOWERS])(OWN_LABELS, return_tensors="pt", padding=True)
    pixels = processor(images=[Image.open(io.BytesIO(each)) for each in data], return_tensors="pt")
    given = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        images = library.get_image_features(**pixels).pooler_output.numpy()
        texts = library.get_text_features(**given).pooler_output.numpy()
    assert client.embed_images(data, TOWERS).vectors == pytest.approx(images, abs=1e-4)
    assert client.embed(OWN_LABELS, TOWERS).vectors == pytest.approx(texts, abs=1e-4)
    reply = httpx2.post(
        f"{server.http_url}/v1/embed/{TOWERS}", content=data[0], headers={"content-type": "image/png"}, timeout=60
    )
    assert reply.json() == [pytest.approx(images[0].tolist(), abs=1e-4)]
    by_modules = client.embed_images(data, MODULES).vectors
    assert by_modules == pytest.approx(images / np.linalg.norm(images, axis=1, keepdims=True), abs=1e-4)
    assert client.embed_images(data, MODULES, normalize=False).vectors == pytest.approx(images, abs=1e-4)
    found = client.embed(OWN_LABELS, MODULES).vectors
    assert found == pytest.approx(texts / np.linalg.norm(texts, axis=1, keepdims=True), abs=1e-4)


def test_frames_are_searched_for_what_texts_say(client: Client, folders: dict[str, Path]) -> None:
    frames = [photograph(seed) for seed in range(12)]
    found = list(client.detect_stream(frames, OWL, threshold=0.0, candidate_labels=OWN_LABELS))
    wanted = expected(
        folders[OWL], "zero-shot-object-detection", frames[-1], candidate_labels=OWN_LABELS, threshold=0.0
    )
    assert len(found) == len(frames)
    scores = [one.score for one in found[-1].detections]
    assert scores == pytest.approx([one["score"] for one in wanted], abs=1e-4)
    with pytest.raises(InvalidInputError, match=r"images\[0\]"):
        list(client.detect_stream([frames[0], b"no image"], OWL, candidate_labels=OWN_LABELS))


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"%PDF-1.7", "a PDF file"), (photograph()[:200], "truncated or broken"), (b"", "is empty")],
)
def test_what_is_no_image_is_refused_by_name(server: Any, client: Client, data: bytes, why: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"images\[1\]`.*{why}"):
        client.detect([photograph(), data], DETR)
    refused = httpx2.post(f"{server.http_url}/v1/detect/{DETR}", content=data, headers={"content-type": "image/png"})
    assert refused.status_code == 400
    assert why in refused.json()["error"]["message"]
    assert refused.json()["error"]["param"] == "inputs"


def test_a_request_of_the_other_kind_is_refused(client: Client) -> None:
    with pytest.raises(InvalidInputError, match="candidate_labels"):
        client.classify_images([photograph()], VIT, candidate_labels=OWN_LABELS)
    with pytest.raises(InvalidInputError, match="candidate_labels"):
        client.classify_images([photograph()], CLIP)
