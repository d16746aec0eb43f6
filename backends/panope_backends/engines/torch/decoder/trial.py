"""Compares a paged decoder's steps with transformers' own way to run the same weights, so that none is served wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from panope_backends.api import StepBatch, StepSequence
from panope_backends.engines.torch.decoder.attention import ATTENTION
from panope_backends.engines.torch.decoder.loading import LOGITS_TOLERANCE, vocab_size_of
from panope_backends.engines.torch.decoder.paged_model import TorchStepModel

Array = np.ndarray[Any, Any]

#: Of the text, and of its part that one step runs before single tokens follow.
_TOKENS, _FIRST = 16, 8

#: Ids before it are often of padding and other marks, which some types treat apart.
_USUAL_IDS = 8


def expected_logits(module: Any, *, text_alone: bool) -> Array:
    """What transformers says of a text, with attention in its plainest form: `[tokens, vocabulary]`.

    Args:
        module: loaded with this package's attention, and left so.
        text_alone: whether that is the attention of all of it; else of its decoder, beside a vision tower.
    """
    _attend_by_name(module, "eager", text_alone=text_alone)
    try:
        with torch.inference_mode():
            made = module(input_ids=torch.tensor(_tokens(module))[None].to(module.device), use_cache=False)
    finally:
        _attend_by_name(module, ATTENTION, text_alone=text_alone)
    logits: Array = made.logits[0].float().cpu().numpy()
    return logits


def answers_alike(model: TorchStepModel, module: Any, expected: Array) -> bool:
    """Runs the text in steps: whether most of its logits are those that are expected.

    Single ones may differ: of experts, others may be chosen where two are about as good.
    """
    tokens = _tokens(module)
    model.allocate(-(-len(tokens) // model.cache.block_size))
    ends = (_FIRST, *range(_FIRST + 1, len(tokens) + 1))
    found: list[Array] = []
    for begin, end in zip((0, *ends), ends, strict=False):
        blocks = range(-(-end // model.cache.block_size))
        found.append(model.forward(StepBatch.of([StepSequence(tokens[begin:end], begin, blocks)])))
    model.forget()
    logits, wanted = np.concatenate(found), expected[_FIRST - 1 :]
    if logits.shape != wanted.shape:  # a type that tells of all tokens, whichever are asked for
        return False
    differences = np.abs(logits - wanted).max(-1)
    return bool(np.median(differences) <= LOGITS_TOLERANCE[model.precision] * np.abs(expected).max())


def _tokens(module: Any) -> list[int]:
    words = min(int(module.get_input_embeddings().weight.shape[0]), vocab_size_of(module))
    usual = np.arange(min(_USUAL_IDS, words - 1), min(words, _USUAL_IDS + 256))
    found: list[int] = np.random.default_rng(0).choice(usual, _TOKENS).tolist()
    return found


def _attend_by_name(module: Any, attention: str, *, text_alone: bool) -> None:
    module.set_attn_implementation(attention if text_alone else {"text_config": attention})
