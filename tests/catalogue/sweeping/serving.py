"""A folder's model as a worker loads it, in this process, and its answer to one message."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import Message

from panope.worker.v1 import worker_pb2
from panope_backends.tasks.task import Answered, ArrayJob, DeviceJob, Job, SequenceJob, TokenJob
from panope_backends.worker.loading import ServedModel, load_model


def loaded(folder: Path, task: str) -> ServedModel:
    """The model on the cpu backend, in float32."""
    return load_model(
        worker_pb2.Load(
            model="test/tiny",
            format="safetensors",
            task=task,
            backend="cpu",
            device="CPU",
            folder=str(folder),
            max_batch_tokens=1 << 12,
            max_batch_size=8,
            precision="fp32",
            media_limits=worker_pb2.MediaLimits(
                max_image_bytes=1 << 24,
                max_image_pixels=1 << 24,
                max_audio_bytes=1 << 24,
                max_audio_seconds=60,
                max_video_bytes=1 << 24,
                max_video_pixels=1 << 24,
                max_video_frames=64,
            ),
        )
    )


def answer(model: ServedModel, task: str, message: Message) -> bytes:
    """The task's message; of an answer in several parts all of them, which protobuf reads as one."""
    return _run(model, model.requests[task](message.SerializeToString()))


def _run(model: ServedModel, job: Job) -> bytes:
    if isinstance(job, Answered):
        return job.output
    if isinstance(job, SequenceJob):
        assert model.sequences is not None
        rows = [model.sequences.run([sequence])[0] for sequence in job.sequences]
        return job.answer(np.stack(rows) if model.sequences.row_width else _objects(rows))
    if isinstance(job, ArrayJob):
        assert model.arrays is not None
        items, rows = job.items, list[Any]()
        while items:
            rows = [model.arrays.run([item])[0] for item in items]
            items = job.next_items(rows)
        return job.answer(rows)
    if isinstance(job, DeviceJob):
        return b"".join(_steps(job))
    return b"".join(_deltas(model.model, job))


def _objects(rows: list[Any]) -> Any:
    made = np.empty(len(rows), object)
    made[:] = rows
    return made


def _steps(job: DeviceJob) -> Iterator[bytes]:
    while True:
        part, is_last = job.step()
        yield part
        if is_last:
            return


def _deltas(engine: Any, job: TokenJob) -> Iterator[bytes]:
    submitted = done = 0
    while done < len(job.requests):
        for index in range(submitted, len(job.requests)):
            engine.submit(dataclasses.replace(job.requests[index], id=1 + index))
        submitted = len(job.requests)
        for delta in engine.deltas(1.0):
            if delta.error is not None:
                raise delta.error
            job.take(delta.request_id - 1, delta)
            done += delta.usage is not None
        if part := job.part():
            yield part


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what the libraries say."""
    logging.disable(logging.CRITICAL)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
