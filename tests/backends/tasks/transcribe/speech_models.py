"""What tests of models of speech share: their loading, sounds, and answers as the worker's loop makes them."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from panope.worker.v1 import transcribe_pb2 as messages
from panope_backends.api import LoadOptions, ModelFacts
from panope_backends.engines.torch import CpuBackend
from panope_backends.media.limits import MediaLimits
from panope_backends.tasks.task import Answered, LoadedTask

RATE = 16_000
LIMITS = MediaLimits(max_audio_seconds=20.0)


@dataclass
class Source:
    """A folder, as the worker gives it to a task."""

    folder: Path
    backend: Any = None
    format: str = "safetensors"
    cache_folder: Path | None = None
    max_memory_bytes: int = 0
    media_limits: MediaLimits = LIMITS
    settings: bytes = messages.TranscribeSettings(slots=2).SerializeToString()

    def load_any(self, config, folder=None, *, options=None):
        facts = ModelFacts("acme/speech", self.format, "transcribe", "", config)
        options = replace(options or LoadOptions(), precision="fp32")
        return (self.backend or CpuBackend()).load(facts, self.folder, "CPU", options)


@dataclass
class Speech:
    """A model that is loaded, and transformers' of the same files."""

    task: LoadedTask
    model: Any
    folder: Path


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise that swells and fades, as 16 bits hold it."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    samples = np.sin(2 * np.pi * 3 * time) * random.standard_normal(time.size) * 0.1
    return (samples * 32767).astype("<i2").astype(np.float32) / 32768


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes((samples * 32768).astype("<i2").tobytes())
    return file.getvalue()


def written(task: LoadedTask, **fields: object) -> list[messages.TranscribeOutput]:
    """The parts of an answer, as the worker's loop makes them."""
    fields.setdefault("vad", False)
    job = task.requests["transcribe"](messages.TranscribeInput(**fields).SerializeToString())
    if isinstance(job, Answered):
        return [messages.TranscribeOutput.FromString(job.output)]
    parts: list[messages.TranscribeOutput] = []
    index = 0
    while index < len(job.requests):
        task.model.submit(replace(job.requests[index], id=index + 1))
        is_over = False
        while not is_over:
            for delta in task.model.deltas(1.0):
                assert delta.error is None
                job.take(index, delta)
                is_over |= delta.usage is not None
            if (part := job.part()) is not None:
                parts.append(messages.TranscribeOutput.FromString(part))
        index += 1
    return parts


def tokens_of(parts: list[messages.TranscribeOutput]) -> list[int]:
    return [token for part in parts for segment in part.segments for token in segment.token_ids]
