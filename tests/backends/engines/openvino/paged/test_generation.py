"""Decoders on OpenVINO under the generation core answer as transformers does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

from panope_backends.api import GenerationRequest, LoadOptions, SamplingParams, StepModel
from panope_backends.engines.openvino.backend import OpenVinoBackend
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.generation.text.vocabulary import TokenVocabulary

SEQUENCES = 32


def engine(model: StepModel, blocks: int, **settings: Any) -> GenerationEngine:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: place for place, character in enumerate(alphabet)}, []))
    tokenizer.decoder = decoders.ByteLevel()
    model.allocate(blocks)
    decoding = Decoding(TokenVocabulary(tokenizer), model.vocab_size, ())
    return GenerationEngine(model, decoding, GenerationSettings(slots=SEQUENCES, **settings))


def requests(vocab_size: int) -> list[GenerationRequest]:
    """Prompts of many lengths, half of which begin alike."""
    random = np.random.default_rng(7)
    shared = random.integers(3, vocab_size, 40).tolist()
    return [
        GenerationRequest(
            number,
            (*shared[: 40 * (number % 2)], *random.integers(3, vocab_size, int(random.integers(1, 50))).tolist()),
            sampling=SamplingParams(temperature=0.0),
            max_tokens=int(random.integers(10, 60)),
            priority=number % 3,
        )
        for number in range(SEQUENCES)
    ]


def likeliest(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> list[int]:
    """The likeliest token at each place of an answer, by transformers: the answer itself, if it is its greedy one."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0]
    tokens: list[int] = logits[len(prompt) - 1 : -1].argmax(-1).tolist()
    return tokens


def run(made: GenerationEngine, asked: Sequence[GenerationRequest]) -> dict[int, list[int]]:
    """Submits two requests a step; the tokens of each."""
    answers: dict[int, list[int]] = {request.id: [] for request in asked}
    waiting = list(asked)
    while waiting or made.statistics().running + made.statistics().waiting:
        for request in waiting[:2]:
            made.submit(request)
        del waiting[:2]
        for delta in made.deltas(0):
            answers[delta.request_id] += delta.token_ids
    return answers


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_answers_that_come_go_and_are_pre_empted_are_transformers_greedy_ones(
    converted: Callable[..., Any], family: str
) -> None:
    decoder = converted(family)
    options = LoadOptions(precision="fp32", cache_precision="fp32")
    loaded = OpenVinoBackend().load(decoder.facts, decoder.folder, "CPU", options)
    assert isinstance(loaded, StepModel)
    made = engine(loaded, blocks=12, step_tokens=48, max_step_tokens=96, draft_tokens=3)
    asked = requests(loaded.vocab_size)
    answers = run(made, asked)
    reference = AutoModelForCausalLM.from_pretrained(decoder.source, attn_implementation="eager").eval()
    for request in asked:
        assert len(answers[request.id]) == request.max_tokens
        assert answers[request.id] == likeliest(reference, request.prompt_token_ids, answers[request.id])
    statistics = made.statistics()
    assert statistics.preemptions > 0
    assert statistics.cached_tokens > 0
    made.close()
