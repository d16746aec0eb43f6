"""Log-probabilities are those of the logits as they came, likeliest first, with the bytes of each token."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from panope_backends.api import SamplingParams
from panope_backends.generation.grammar.bitmasks import mask_of
from panope_backends.generation.sampling import logprobs
from panope_backends.generation.sampling.largest import Maxima, top, top_with_ties
from panope_backends.generation.sampling.sampler import Sampler
from panope_backends.generation.sampling.sampling_state import SamplingState

Array = np.ndarray[Any, Any]


def word(token_id: int) -> bytes:
    return f"<{token_id}>".encode()


def logits_of(seed: int, size: int, offset: float = 0.0) -> Array:
    return (np.random.default_rng(seed).standard_normal((3, size)) * 4 + offset).astype(np.float32)


@given(
    seed=st.integers(0, 999),
    size=st.sampled_from([5, 700, 20_000]),
    offset=st.sampled_from([0.0, 1e4, -1e4]),
    count=st.integers(0, 20),
)
@settings(max_examples=80)
def test_they_are_the_log_softmax(seed: int, size: int, offset: float, count: int) -> None:
    logits = logits_of(seed, size, offset)
    token_ids = [0, size - 1, size // 2]
    expected = log_softmax(logits.astype(np.float64), axis=1)
    for row, token_id, found in zip(expected, token_ids, logprobs.of_rows(logits, token_ids, count, word), strict=True):
        assert (found.chosen.token_id, found.chosen.text) == (token_id, word(token_id))
        assert found.chosen.logprob == pytest.approx(row[token_id], abs=2e-5)
        likeliest = [entry.token_id for entry in found.top]
        assert likeliest == np.lexsort((np.arange(size), -row))[:count].tolist()
        assert [entry.logprob for entry in found.top] == pytest.approx(row[likeliest].tolist(), abs=2e-5)


def test_they_are_of_the_logits_before_all_settings() -> None:
    logits = logits_of(4, 300)[:1]
    params = SamplingParams(temperature=0.2, top_k=1, repetition_penalty=3, logit_bias={7: 50})
    state = SamplingState(params, [1, 2, 3], top_logprobs=2)
    state.mask = mask_of(range(5, 60), 300)
    (token,) = Sampler(300, word).sample(logits, [state])
    assert token.token_id == 7
    assert token.logprobs == logprobs.of_rows(logits, [7], 2, word)[0]


def test_what_has_no_chance_has_a_number_that_json_has() -> None:
    logits = np.array([[0, -np.inf]], np.float32)
    (found,) = logprobs.of_rows(logits, [1], 2, word)
    assert found.chosen.logprob == logprobs.LOWEST
    assert found.top[0].logprob == 0.0
    assert all(math.isfinite(entry.logprob) for entry in found.top)


@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=30),
    repeats=st.integers(1, 400),
    count=st.integers(1, 50),
)
def test_the_largest_are_found_among_many_equal_ones(values: list[int], repeats: int, count: int) -> None:
    numbers = np.array(values * repeats, np.float32)
    count = min(count, len(numbers))
    order = np.lexsort((np.arange(len(numbers)), -numbers))
    maxima = Maxima(numbers)
    assert top(numbers, count, maxima).tolist() == order[:count].tolist()
    assert (
        top_with_ties(numbers, count, maxima).tolist() == np.flatnonzero(numbers >= numbers[order[count - 1]]).tolist()
    )
    found = maxima.at_least(count)
    assert len(found) >= count
    assert set(order[:count]) <= set(found.tolist()) or numbers[found].min() >= numbers[order[count - 1]]
