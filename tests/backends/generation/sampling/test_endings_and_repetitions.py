"""What may not be repeated, and what ends an answer, is what transformers' logits processors leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.api import SamplingParams
from panope_backends.generation.sampling.endings import Ending
from panope_backends.generation.sampling.sampling_state import SamplingState

VOCAB = 7
EOS = 2


@settings(max_examples=80, deadline=None)
@given(
    size=st.integers(0, 4),
    repetition=st.sampled_from([1.0, 1.3]),
    prompt=st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=12),
    limit=st.integers(1, 8),
    least=st.integers(0, 8),
    seed=st.integers(0, 1000),
)
def test_greedy_answers_are_those_of_transformers(
    size: int, repetition: float, prompt: list[int], limit: int, least: int, seed: int
) -> None:
    torch = pytest.importorskip("torch")
    from transformers import generation

    processors: list[Any] = [
        *([generation.RepetitionPenaltyLogitsProcessor(repetition)] if repetition != 1 else []),
        *([generation.NoRepeatNGramLogitsProcessor(size)] if size else []),
        generation.MinNewTokensLengthLogitsProcessor(len(prompt), least, EOS),
        generation.ForcedEOSTokenLogitsProcessor(len(prompt) + limit, EOS),
    ]
    params = SamplingParams(temperature=0, no_repeat_ngram_size=size, repetition_penalty=repetition)
    state = SamplingState(params, prompt, ending=Ending([EOS], least, [EOS], limit))
    tokens = list(prompt)
    random = np.random.default_rng(seed)
    for _ in range(limit):
        logits = random.standard_normal(VOCAB).astype(np.float32)
        scores = torch.tensor(logits)[None]
        for processor in processors:
            scores = processor(torch.tensor([tokens]), scores)
        state.adjust(logits)
        if not torch.isfinite(scores).any():  # transformers then takes token 0, whatever it is
            assert np.isfinite(logits).any()
            return
        assert int(logits.argmax()) == int(scores.argmax())
        tokens.append(int(logits.argmax()))
        state.append(tokens[-1])


def test_an_answer_without_repetitions_costs_nothing() -> None:
    state = SamplingState(SamplingParams(temperature=0, no_repeat_ngram_size=2), [1, 2, 3])
    assert state.is_cheap
    state.append(1)
    assert not state.is_cheap
