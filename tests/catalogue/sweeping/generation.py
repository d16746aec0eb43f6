"""Models that generate: each token of an answer is the likeliest that the library gives behind those before it."""

from __future__ import annotations

import numpy as np
import torch

from panope.worker.v1 import generate_pb2, tokenize_pb2
from panope_backends.worker.loading import ServedModel
from sweeping.library import Library, first, same
from sweeping.serving import answer

PROMPTS = ((5, 9, 17, 6, 30, 11, 8), (40, 12, 33))
TOKENS = 6


def generate(model: ServedModel, library: Library) -> str:
    """Answers to prompts of tokens."""
    message = generate_pb2.GenerateInput(
        prompt_token_ids=[tokenize_pb2.TokenSequence(ids=ids) for ids in PROMPTS],
        temperature=0,
        max_tokens=TOKENS,
        n=1,
        ignore_eos=True,
        logprobs=0,
        skip_special_tokens=True,
    )
    found = generate_pb2.GenerateOutput.FromString(answer(model, "generate", message))
    return first([_compared(found, index, library) for index in range(len(PROMPTS))])


def _compared(found: generate_pb2.GenerateOutput, index: int, library: Library) -> str:
    deltas = [delta for delta in found.deltas if delta.prompt_index == index]
    tokens = [token for delta in deltas for token in delta.token_ids]
    logprobs = [one.chosen.logprob for delta in deltas for one in delta.logprobs]
    if len(tokens) != TOKENS:
        return f"the answer has {len(tokens)} tokens, and {TOKENS} were asked for"
    wanted = _logprobs(library, PROMPTS[index], tokens)
    chosen = wanted[np.arange(TOKENS), tokens]
    return first([same(logprobs, chosen), same(chosen, wanted.max(-1))])


def _logprobs(library: Library, prompt: tuple[int, ...], tokens: list[int]) -> np.ndarray:
    """Of the whole vocabulary, `[tokens, vocabulary]`, from one run over prompt and answer."""
    if library.config.is_encoder_decoder:
        start = library.model.generation_config.decoder_start_token_id
        start = library.config.decoder_start_token_id if start is None else start
        ids = {"input_ids": torch.tensor([prompt]), "decoder_input_ids": torch.tensor([[start, *tokens[:-1]]])}
    else:
        ids = {"input_ids": torch.tensor([[*prompt, *tokens[:-1]]])}
    logits = library(**ids, use_cache=False).logits[0, -TOKENS:]
    made: np.ndarray = logits.float().log_softmax(-1).numpy()
    return made
