"""Videos are classified by a seeded VideoMAE through a server and Envoy: every way in gives what the pipeline gives."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from command_line import panope
from panope_backends.testing.vision.video_classifiers import FRAMES, LABELS, tiny_video_classifier
from panope_client import Client, InvalidInputError
from panope_registry.session import RegistrySession
from panope_server.tasks.samples import video

# A worker with PyTorch starts, and so does the library here; the task's own tests compare scores each time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODEL = "acme/videomae"
FILM = video(1, frames=20)


@dataclass
class Seeded:
    """A server with the model, and what the pipeline says of the film."""

    server: Any
    expected: dict[str, float]


@pytest.fixture(scope="module")
def seeded(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    from transformers import pipeline

    folder = tmp_path_factory.mktemp("videos")
    home = folder / "home"
    tiny_video_classifier(folder / "model")
    with av.open(io.BytesIO(FILM)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    told = pipeline("video-classification", model=str(folder / "model"))(frames, top_k=len(LABELS))
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(folder / "model", MODEL)
    session.close()
    servers = make_servers(folder, folder)
    try:
        server = servers.start(f"--load={MODEL}", home=home, demo=False, ready=False, PANOPE_PRECISION="fp32")
        server.wait_ready(400)
        yield Seeded(server, {each["label"]: each["score"] for each in told})
    finally:
        servers.stop()


def test_grpc_gives_the_scores_of_the_pipeline(seeded: Seeded, tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    film.write_bytes(FILM)
    with Client(seeded.server.grpc_address) as client:
        for source in (FILM, film, f"data:video/x-msvideo;base64,{base64.b64encode(FILM).decode()}"):
            told = client.classify_video(source, MODEL)
            labels = {each.label: each.score for each in told.classification.labels}
            assert labels == pytest.approx(seeded.expected, abs=2e-3)
            assert (told.frames, len(told.seen_frames)) == (20, FRAMES)
        with pytest.raises(InvalidInputError, match=rf"`video.content` has 3 frames; the model looks at {FRAMES}"):
            client.classify_video(video(1, frames=3), MODEL)
        with pytest.raises(InvalidInputError, match=r"`video.content`"):
            client.classify_video(FILM[:2000], MODEL)


def test_rest_takes_the_file_or_json(seeded: Seeded) -> None:
    server = seeded.server
    path = f"/v1/classify/{MODEL}"
    sent = {"model": MODEL, "inputs": base64.b64encode(FILM).decode(), "parameters": {"top_k": 1}}
    told = server.post(path, body=FILM, headers={"content-type": "video/x-msvideo"}).json
    assert {each["label"]: each["score"] for each in told} == pytest.approx(seeded.expected, abs=2e-3)
    assert server.post("/v1/classify", sent).json == told[:1]
    refused = server.post(path, body=FILM[:2000], headers={"content-type": "video/x-msvideo"})
    assert (refused.status, refused.json["error"]["param"]) == (400, "inputs")


def test_the_command_prints_the_best(seeded: Seeded, tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    film.write_bytes(FILM)
    told = panope("classify", MODEL, "--video", film, "--json", "--address", seeded.server.grpc_address).json
    assert {each["label"]: each["score"] for each in told["labels"]} == pytest.approx(seeded.expected, abs=2e-3)
    assert told["frames"] == 20
