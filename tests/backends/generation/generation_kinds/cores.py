"""A core over checksums, and what its greedy answers must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from panope_backends.api import (
    GenerationRequest,
    SamplingParams,
    StepBatch,
    StepModel,
    StepSequence,
    TokenDelta,
)
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary
from panope_backends.testing import ChecksumStepModel

Array = np.ndarray[Any, Any]

GREEDY = SamplingParams(temperature=0.0)
VOCAB = 64


def letters() -> TokenVocabulary:
    """A character a token, and no special one; braces are among them for objects of JSON."""
    characters = [*sorted(pre_tokenizers.ByteLevel.alphabet())[: VOCAB - 2], "{", "}"]
    tokenizer = Tokenizer(models.BPE({character: place for place, character in enumerate(characters)}, []))
    tokenizer.decoder = decoders.ByteLevel()
    return TokenVocabulary(tokenizer)


def core(model: StepModel, blocks: int, eos_token_ids: Sequence[int] = (), **settings: Any) -> GenerationEngine:
    model.allocate(blocks)
    decoding = Decoding(letters(), model.vocab_size, eos_token_ids)
    return GenerationEngine(model, decoding, GenerationSettings(**settings))


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
