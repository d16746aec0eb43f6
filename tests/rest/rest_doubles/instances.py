"""What answers at the end of the pipeline."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from rest_doubles.models import DIMENSIONS, vector_of

from panope_backends.errors import InvalidInputError
from panope_server.work import Answer, Call, EmbedAnswer, EmbedWork, NamedTensor, TensorAnswer, TensorWork


@dataclass
class FakeInstances:
    """Answers at the end of the pipeline; `failure` is raised instead when set."""

    calls: list[Call] = field(default_factory=list)
    log_words: list[dict[str, Any]] = field(default_factory=list)
    failure: Exception | None = None
    outputs: list[NamedTensor] | None = None
    hold: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def release(self) -> None:
        """Lets the calls that are held answer."""
        for future in self.waiting:
            future.get_loop().call_soon_threadsafe(future.set_result, None)

    async def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        self.log_words.append(structlog.contextvars.get_contextvars())
        if self.failure is not None:
            raise self.failure
        if self.hold:
            await self._held()
        match call.work:
            case EmbedWork(texts=texts, token_sequences=sequences):
                return embedded(texts or [" ".join(map(str, ids)) for ids in sequences], call.work.dimensions)
            case TensorWork():
                return TensorAnswer(call.work.inputs if self.outputs is None else self.outputs)
        raise AssertionError(f"no such work: {call.work}")

    async def _held(self) -> None:
        self.waiting.append(asyncio.get_running_loop().create_future())
        self.held.set()
        try:
            await self.waiting[-1]
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def embedded(texts: list[str], dimensions: int | None) -> EmbedAnswer:
    vectors = np.array([vector_of(text)[:dimensions] for text in texts], "<f4")
    if dimensions is not None and dimensions > DIMENSIONS:
        raise InvalidInputError(f"`dimensions` is at most {DIMENSIONS}", field="dimensions")
    return EmbedAnswer(vectors.tobytes(), len(texts), vectors.shape[1], [len(text.split()) for text in texts], [])
