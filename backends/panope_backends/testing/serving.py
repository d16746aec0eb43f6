"""A model as a worker loads it, in the test's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from panope.worker.v1 import worker_pb2 as wire
from panope_backends.tasks.task import SequenceJob
from panope_backends.worker.loading import ServedModel, load_model


def served(folder: Path, task: str = "embed", backend: str = "cpu", **fields: Any) -> ServedModel:
    """Loads a model.

    Args:
        folder: of its files.
        task: that it is loaded for.
        backend: that runs it.
        fields: further ones of the frame that a server sends to load it, in the place of the usual.

    Raises:
        PanopeError: as `load_model`.
    """
    usual = {
        "model": "test/model",
        "device": "CPU",
        "precision": "fp32",
        "format": "safetensors",
        "max_batch_tokens": 512,
        "max_batch_size": 16,
    }
    return load_model(wire.Load(folder=str(folder), task=task, backend=backend, **{**usual, **fields}))


def answer_of(model: ServedModel, task: str, request: Message) -> bytes:
    """The answer to one request over texts, all of them in one batch."""
    job = model.requests[task](request.SerializeToString())
    assert isinstance(job, SequenceJob)
    assert model.sequences is not None, "it runs texts"
    return job.answer(model.sequences.run(job.sequences))
