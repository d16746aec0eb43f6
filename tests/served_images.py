"""Models of images loaded as a worker loads them, in this process, and what they answer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import Message
from PIL import Image

from panope.worker.v1 import media_pb2, worker_pb2
from panope_backends.worker.loading import ServedModel, load_model


def photograph(seed: int = 0, size: tuple[int, int] = (150, 100)) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (20, 30, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize(size).save(file, "PNG")
    return file.getvalue()


def sent(*files: bytes) -> Sequence[media_pb2.Image]:
    return [media_pb2.Image(content=file) for file in files]


def served(folder: Path, task: str, backend: str = "cpu", kind: str = "safetensors") -> ServedModel:
    """The model of a folder in float32."""
    load = worker_pb2.Load(
        model="acme/model",
        format=kind,
        task=task,
        backend=backend,
        device="CPU",
        folder=str(folder),
        max_batch_tokens=1 << 14,
        precision="fp32",
        media_limits=worker_pb2.MediaLimits(
            max_image_bytes=1 << 24,
            max_image_pixels=50_000_000,
            max_video_bytes=1 << 26,
            max_video_pixels=1 << 24,
            max_video_frames=1000,
        ),
    )
    return load_model(load)


def answer_of(model: ServedModel, task: str, message: Message) -> bytes:
    """The task's message, of one request."""
    job: Any = model.requests[task](message.SerializeToString())
    if hasattr(job, "sequences"):
        assert model.sequences is not None
        found: bytes = job.answer(model.sequences.run(job.sequences))
    else:
        assert model.arrays is not None
        found = job.answer([model.arrays.run([item])[0] for item in job.items])  # images may be of several shapes
    return found
