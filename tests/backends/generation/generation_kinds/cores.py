"""A core over checksums, and what its greedy answers must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from panope_backends.api import (
    FinishReason,
    GenerationRequest,
    Logprob,
    SamplingParams,
    StepBatch,
    StepModel,
    StepSequence,
    TokenDelta,
    TokenLogprobs,
)
from panope_backends.generation import GenerationEngine, GenerationSettings
from panope_backends.testing import ChecksumStepModel

Array = np.ndarray[Any, Any]

GREEDY = SamplingParams(temperature=0.0)
VOCAB = 64


@dataclass
class Drawn:
    token_id: int
    logprobs: TokenLogprobs | None = None


class Counted:
    def __init__(self) -> None:
        self.token_ids: list[int] = []

    def append(self, token_id: int) -> None:
        self.token_ids.append(token_id)


@dataclass
class Text:
    text: str
    finish_reason: FinishReason | None = None
    stop_reason: str | int | None = None


class Letters:
    """A token is a character; stop tokens end the text."""

    def __init__(self, stop_token_ids: Sequence[int]) -> None:
        self._stops = stop_token_ids

    def push(self, token_ids: Sequence[int]) -> Text:
        (token_id,) = token_ids
        if token_id in self._stops:
            return Text("", FinishReason.STOP, token_id)
        return Text(chr(token_id + 64))

    def finish(self) -> str:
        return ""


class GreedyDecoding:
    """Takes the likeliest tokens."""

    def sampling_state(self, request: GenerationRequest, index: int) -> Counted:
        return Counted()

    def text_stream(self, request: GenerationRequest) -> Letters:
        return Letters(request.stop_token_ids)

    def sample(self, logits: Sequence[Array], states: Sequence[Any]) -> list[Drawn]:
        return [Drawn(int(row.argmax()) if np.isfinite(row.max()) else -1) for row in logits]

    def score(self, logits: Array, token_ids: Sequence[int], top: int) -> list[TokenLogprobs]:
        return [
            TokenLogprobs(Logprob(token_id, b"", float(row[token_id])))
            for row, token_id in zip(logits, token_ids, strict=True)
        ]


def core(model: StepModel, blocks: int, **settings: Any) -> GenerationEngine:
    model.allocate(blocks)
    return GenerationEngine(model, GreedyDecoding(), GenerationSettings(**settings))


def logits_of(tokens: Sequence[int]) -> Array:
    """The logits after each token, from one step."""
    model, blocks = _alone(len(tokens))
    return model.forward(StepBatch.of([StepSequence(tokens, 0, range(blocks), range(len(tokens)))])).copy()


def plain_answer(request: GenerationRequest, max_positions: int) -> list[int]:
    """The likeliest tokens after a prompt, one step each, with a cache that nothing else uses."""
    prompt = request.prompt_token_ids
    limit = min(request.max_tokens or max_positions, max_positions - len(prompt))
    model, _ = _alone(len(prompt) + limit)
    answer: list[int] = []
    new, past = list(prompt), 0
    while len(answer) < limit and not (answer and answer[-1] in request.stop_token_ids):
        table = range(-(-(past + len(new)) // model.cache.block_size))
        logits = model.forward(StepBatch.of([StepSequence(new, past, table)]))
        past += len(new)
        new = [int(logits[0].argmax())]
        answer += new
    return answer


def _alone(tokens: int) -> tuple[ChecksumStepModel, int]:
    model = ChecksumStepModel({"vocab_size": VOCAB, "block_size": 4, "max_positions": 1024})
    blocks = -(-tokens // 4)
    model.allocate(blocks)
    return model, blocks


def drain(engine: GenerationEngine, steps: int = 10_000) -> list[TokenDelta]:
    """Steps until nothing runs."""
    deltas: list[TokenDelta] = []
    for _ in range(steps):
        deltas += engine.deltas(0)
        if not engine.statistics().running + engine.statistics().waiting:
            return deltas
    raise AssertionError(f"not all requests ended in {steps} steps")


def answer(deltas: Sequence[TokenDelta], request_id: int, index: int = 0) -> list[int]:
    """The tokens of one answer."""
    own = [delta for delta in deltas if (delta.request_id, delta.index) == (request_id, index)]
    return [token for delta in own for token in delta.token_ids]
