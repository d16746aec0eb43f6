"""The same texts through sentence-transformers and through Panope's engines, and what to make of the two."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from panope.worker.v1 import embed_pb2
from panope_backends.api import ModelFacts
from panope_backends.errors import PanopeError
from panope_backends.programs.convert import Job, convert
from panope_backends.tasks.embed.files.config_files import read_embed_files
from panope_backends.tasks.task import SequenceJob
from panope_backends.testing.serving import served
from panope_backends.worker.batch.batching import Batcher
from panope_backends.worker.loading import ServedModel

Vectors = np.ndarray

TEXTS = (
    "The quick brown fox",
    "a",
    "Words with ACCENTS: café naïve, and 中文字.",
    "  spaces   before, between and after  ",
    "one sentence that is far longer than the model takes, so that its end is cut off where the limit says " * 2,
    "numbers 123 and [MASK] <mask> </s> special ones",
    "ing er the",
    "tabs\tand\nlines",
)

#: The worst text's; two libraries in float32 differ in the seventh digit.
LEAST_COSINE = 0.99999
MOST_DIFFERENCE = 2e-3

ENGINES = {"cpu": "safetensors", "openvino": "openvino"}


@dataclass(frozen=True)
class Outcome:
    """`same`, `refused` or `wrong`, and the message or the figure that tells more."""

    word: str
    detail: str


def reference_of(folder: Path, *, remembers: bool = False, purposes: Sequence[str] = ("",)) -> dict[str, Vectors]:
    """sentence-transformers itself on the folder, each text alone, so that nothing is padded.

    Args:
        folder: of the model.
        remembers: as of the case.
        purposes: what texts are for.

    Returns:
        The vectors by their purpose.
    """
    with quiet():
        from sentence_transformers import SentenceTransformer, SparseEncoder

        described = folder / "config_sentence_transformers.json"
        is_sparse = described.is_file() and '"SparseEncoder"' in described.read_text()
        model: Any = (SparseEncoder if is_sparse else SentenceTransformer)(
            str(folder), device="cpu", local_files_only=True
        )
        model.eval()
        if remembers:
            return {"": np.concatenate([copy.deepcopy(model).encode([text]) for text in TEXTS])}
        found = {purpose: _encode(model, purpose) for purpose in purposes}
    # Of a table of 16 bits they have 16 bits, in which NumPy would compute their lengths to three digits.
    return {
        purpose: (vectors.to_dense().numpy() if is_sparse else vectors).astype(np.float32)
        for purpose, vectors in found.items()
    }


def _encode(model: Any, purpose: str) -> Any:
    encode = {"": model.encode, "query": model.encode_query, "document": model.encode_document}[purpose]
    return encode(list(TEXTS), batch_size=1)


def outcome_on(
    engine: str,
    folder: Path,
    scratch: Path,
    expected: dict[str, Vectors],
    truncation: str,
    grants: Sequence[str] = (),
) -> Outcome:
    """Serves the folder on an engine and compares the texts alone, together and in reversed order."""
    try:
        with quiet():
            loaded = _load(engine, folder, scratch, grants)
            outcomes = [_judge(_found(loaded, truncation, purpose), vectors) for purpose, vectors in expected.items()]
    except PanopeError as error:
        return Outcome("refused", error.message)
    return next((outcome for outcome in outcomes if outcome.word != "same"), outcomes[0])


def _found(loaded: ServedModel, truncation: str, purpose: str) -> dict[str, Vectors]:
    return {
        "alone": np.concatenate([_embed(loaded, [text], truncation, purpose) for text in TEXTS]),
        "together": _embed(loaded, TEXTS, truncation, purpose),
        "reversed": _embed(loaded, TEXTS[::-1], truncation, purpose)[::-1],
    }


def _judge(found: dict[str, Vectors], expected: Vectors) -> Outcome:
    for way, vectors in found.items():
        if vectors.shape != expected.shape:
            return Outcome("wrong", f"{way}: {vectors.shape[1]} values for {expected.shape[1]}")
        cosines = np.einsum("ij,ij->i", vectors, expected)
        cosines = cosines / np.linalg.norm(vectors, axis=1) / np.linalg.norm(expected, axis=1)
        difference = np.abs(vectors - expected).max() / np.abs(expected).max()
        if not (cosines.min() >= LEAST_COSINE and difference <= MOST_DIFFERENCE):
            worst = int(cosines.argmin())
            return Outcome("wrong", f"{way}: cosine {cosines[worst]:.5f} of text {worst}, differs {difference:.1e}")
    return Outcome("same", "")


def _load(engine: str, folder: Path, scratch: Path, grants: Sequence[str]) -> ServedModel:
    if engine == "openvino":
        made = scratch / "openvino"
        files = read_embed_files(folder)
        config = files.towers or files.config
        architecture = (config.get("architectures") or [""])[0]
        facts = ModelFacts("test/zoo", "safetensors", "embed", architecture, config, tuple(grants))
        convert(Job("openvino", "openvino", "fp32", facts, str(folder), str(made)))
        folder = made
    return served(folder, backend=engine, format=ENGINES[engine], cache_folder=str(scratch / "cache"), grants=grants)


def _embed(loaded: ServedModel, texts: Sequence[str], truncation: str, purpose: str) -> Vectors:
    """One request, cut into batches as the worker cuts it."""
    assert loaded.sequences is not None
    work = embed_pb2.EmbedInput(texts=texts, truncation=truncation, purpose=purpose)
    job = loaded.requests["embed"](work.SerializeToString())
    assert isinstance(job, SequenceJob)
    batcher = Batcher[int](512, 1 if loaded.runs_alone else 16, max_padding=loaded.max_padding)
    for index, sequence in enumerate(job.sequences):
        batcher.add(index, len(sequence.ids), now=0.0)
    rows = np.full((len(texts), loaded.sequences.row_width), np.nan, dtype=np.float32)
    while batch := batcher.take():
        rows[batch] = loaded.sequences.run([job.sequences[index] for index in batch])
    result = embed_pb2.EmbedOutput.FromString(job.answer(rows))
    return (
        _whole(result) if result.sparse_counts else np.frombuffer(result.vectors, "<f4").reshape(-1, result.dimensions)
    )


def _whole(result: embed_pb2.EmbedOutput) -> Vectors:
    """Sparse vectors with the values that are 0."""
    vectors = np.zeros((len(result.sparse_counts), result.dimensions), np.float32)
    rows = np.repeat(np.arange(len(vectors)), list(result.sparse_counts))
    vectors[rows, list(result.sparse_indices)] = list(result.sparse_values)
    return vectors


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' own talk."""
    logging.getLogger("transformers").setLevel(logging.CRITICAL)
    logging.getLogger("sentence_transformers").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
