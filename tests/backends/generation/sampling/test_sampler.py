"""The sampler draws from the distributions that transformers' logits processors make."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from panope_backends.api import SamplingParams
from panope_backends.generation.grammar.bitmasks import mask_of
from panope_backends.generation.sampling.draws import distribution
from panope_backends.generation.sampling.endings import Ending
from panope_backends.generation.sampling.sampler import NO_TOKEN, Sampler
from panope_backends.generation.sampling.sampling_state import SamplingState

Array = np.ndarray[Any, Any]


def logits_of(seed: int, vocab: int, spread: float = 3.0, rows: int = 1) -> Array:
    return (np.random.default_rng(seed).standard_normal((rows, vocab)) * spread).astype(np.float32)


def probabilities(logits: Array, state: SamplingState) -> Array:
    """What the sampler draws from, as one probability a token."""
    row = logits.copy()
    state.adjust(row)
    left = distribution(row, state.params, np.empty_like(row))
    assert left is not None
    weights = np.zeros(len(row))
    weights[slice(None) if left.token_ids is None else left.token_ids] = left.weights
    return weights / weights.sum()


def by_transformers(logits: Array, params: SamplingParams, prompt: list[int]) -> Array:
    """The same by its logits processors, in the order in which `generate` applies them."""
    torch = pytest.importorskip("torch")
    from transformers import generation

    processors: list[Any] = []
    if params.repetition_penalty != 1:
        processors.append(generation.RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    processors.append(generation.TemperatureLogitsWarper(float(params.temperature)))
    if params.top_k:
        processors.append(generation.TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        processors.append(generation.TopPLogitsWarper(params.top_p))
    if params.min_p:
        processors.append(generation.MinPLogitsWarper(params.min_p))
    scores = torch.tensor(logits)[None]
    for processor in processors:
        scores = processor(torch.tensor([prompt]), scores)
    result: Array = torch.softmax(scores.double(), -1)[0].numpy()
    return result


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    vocab=st.sampled_from([7, 300, 5_000, 40_000]),
    spread=st.sampled_from([0.1, 1.0, 4.0]),
    temperature=st.sampled_from([0.3, 0.7, 1.0, 1.9]),
    top_k=st.sampled_from([0, 1, 5, 50, 2_000]),
    top_p=st.sampled_from([0.013, 0.5, 0.93, 0.991, 1.0]),
    min_p=st.sampled_from([0.0, 0.02, 0.31, 1.0]),
    repetition=st.sampled_from([0.8, 1.0, 1.3]),
)
def test_distributions_are_those_of_transformers(
    seed: int, vocab: int, spread: float, temperature: float, top_k: int, top_p: float, min_p: float, repetition: float
) -> None:
    logits = logits_of(seed, vocab, spread)[0]
    prompt = np.random.default_rng(seed).integers(0, vocab, 20).tolist()
    params = SamplingParams(
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition
    )
    found = probabilities(logits, SamplingState(params, prompt))
    expected = by_transformers(logits, params, prompt)
    differing = np.flatnonzero((found > 0) != (expected > 0))
    # Sums of float32 rounded otherwise may move the border of top_p by a token of next to no weight.
    assert len(differing) <= (1 + vocab // 5_000 if top_p < 1 else 0)
    assert np.abs(found - expected).max() <= 2e-5 * max(found.max(), 0.01) + (
        found[differing].sum() + expected[differing].sum()
    )
    assert expected[differing].sum() + found[differing].sum() < 1e-3


def test_draws_have_the_frequencies_of_the_distribution() -> None:
    params = SamplingParams(temperature=0.8, top_k=12, top_p=0.95, seed=11)
    logits = logits_of(3, 50, 1.0)
    state = SamplingState(params)
    sampler = Sampler(50)
    counts = np.bincount([sampler.sample(logits, [state])[0].token_id for _ in range(20_000)], minlength=50)
    expected = probabilities(logits[0], state)
    assert not counts[expected == 0].any()
    kept = expected > 0
    assert chisquare(counts[kept], expected[kept] * counts.sum()).pvalue > 1e-3


def test_draws_from_a_large_vocabulary_have_the_frequencies_of_the_distribution() -> None:
    vocab = 30_000
    logits = logits_of(4, vocab, 2.0)
    state = SamplingState(SamplingParams(seed=5))
    sampler = Sampler(vocab)
    groups = np.bincount([sampler.sample(logits, [state])[0].token_id % 40 for _ in range(20_000)], minlength=40)
    expected = np.bincount(np.arange(vocab) % 40, weights=probabilities(logits[0], state), minlength=40)
    assert chisquare(groups, expected * groups.sum()).pvalue > 1e-3


@given(st.integers(0, 1000), st.integers(1, 6), st.sampled_from([1.0, 0.9]))
@settings(max_examples=40)
def test_a_seed_draws_the_same_alone_and_in_company(seed: int, others: int, top_p: float) -> None:
    vocab, steps = 6_000, 5
    sampler = Sampler(vocab)
    rows = [logits_of(seed + step, vocab, rows=others + 1) for step in range(steps)]
    params = SamplingParams(seed=seed, top_p=top_p, presence_penalty=0.5)

    def run(company: int) -> list[int]:
        states = [SamplingState(params), *(SamplingState(SamplingParams(seed=n)) for n in range(company))]
        tokens = []
        for logits in rows:
            sampled = sampler.sample(logits[: company + 1], states)
            for state, token in zip(states, sampled, strict=True):
                state.append(token.token_id)
            tokens.append(sampled[0].token_id)
        return tokens

    assert run(others) == run(0)


def test_answers_of_one_request_draw_differently_from_one_seed() -> None:
    logits = logits_of(1, 1_000, 0.1)
    params = SamplingParams(seed=-3)

    def tokens(index: int) -> list[int]:
        state = SamplingState(params, index=index)
        return [Sampler(1_000).sample(logits, [state])[0].token_id for _ in range(8)]

    assert tokens(0) == tokens(0)
    assert len({tuple(tokens(index)) for index in range(5)}) == 5


def test_without_a_seed_draws_differ() -> None:
    logits = logits_of(1, 100_000, 0.1)
    states = [SamplingState(SamplingParams()) for _ in range(4)]
    assert len({Sampler(100_000).sample(logits, [state])[0].token_id for state in states}) == 4


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 1e-6])
def test_without_temperature_the_likeliest_is_taken_and_the_first_of_equals(temperature: float) -> None:
    logits = logits_of(8, 500)
    logits[0, [40, 77]] = 50
    assert Sampler(500).sample(logits, [SamplingState(SamplingParams(temperature=temperature))])[0].token_id == 40


def test_logits_are_left_as_they_are() -> None:
    logits = logits_of(8, 500)
    before = logits.copy()
    params = SamplingParams(top_p=0.5, logit_bias={3: 5}, repetition_penalty=2, frequency_penalty=1)
    state = SamplingState(params, [1, 2], top_logprobs=3, ending=Ending([7], 2))
    state.mask = mask_of(range(100), 500)
    Sampler(500).sample(logits, [state])
    assert (logits == before).all()


def test_penalties_are_as_their_authors_define_them() -> None:
    logits = np.array([1, -1, 2, -2, 0.5, 0], np.float32)
    params = SamplingParams(repetition_penalty=2.0, presence_penalty=0.25, frequency_penalty=0.125)
    state = SamplingState(params, prompt_token_ids=[0, 1, 0])
    for token in (2, 3, 2, 2):
        state.append(token)
    state.adjust(logits)
    assert logits.tolist() == [0.5, -2, 1 - 0.25 - 0.375, -4 - 0.25 - 0.125, 0.5, 0]


def test_a_bias_lets_a_token_win_and_forbids_another() -> None:
    logits = np.array([[3, 2, 1, 0]], np.float32)
    greedy = SamplingParams(temperature=0, logit_bias={0: -100, 3: 5})
    assert Sampler(4).sample(logits, [SamplingState(greedy)])[0].token_id == 3


def test_no_ending_token_is_drawn_before_min_tokens() -> None:
    logits = np.array([[9, 8, 7, 0]], np.float32)
    state = SamplingState(SamplingParams(temperature=0), ending=Ending([0, 1], 2))
    tokens = []
    for _ in range(3):
        tokens.append(Sampler(4).sample(logits, [state])[0].token_id)
        state.append(tokens[-1])
    assert tokens == [2, 2, 0]


@given(st.sets(st.integers(0, 99), min_size=1), st.integers(0, 50), st.sampled_from([0.0, 1.0]))
def test_only_allowed_tokens_are_chosen(allowed: set[int], seed: int, temperature: float) -> None:
    state = SamplingState(SamplingParams(temperature=temperature, seed=seed))
    state.mask = mask_of(allowed, 100)
    assert Sampler(133).sample(logits_of(seed, 133), [state])[0].token_id in allowed


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_rows_without_a_choice_have_no_token_and_others_are_unharmed(temperature: float, value: float) -> None:
    logits = logits_of(0, 50, rows=2)
    logits[0] = value
    states = [SamplingState(SamplingParams(temperature=temperature, seed=1), top_logprobs=2) for _ in range(2)]
    first, second = Sampler(50).sample(logits, states)
    assert first.token_id == NO_TOKEN
    assert second.token_id == Sampler(50).sample(logits[1:], [SamplingState(states[1].params)])[0].token_id


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=1e300),
        SamplingParams(temperature=1e-4),
        SamplingParams(repetition_penalty=1e300),
        SamplingParams(repetition_penalty=1e-300),
        SamplingParams(presence_penalty=1e300, frequency_penalty=-1e300),
        SamplingParams(logit_bias={1: 1e300, 2: -1e300}),
        SamplingParams(top_k=10**9, top_p=1e-300, min_p=1.0),
    ],
)
@pytest.mark.filterwarnings("error")
def test_extreme_settings_still_choose_a_token(params: SamplingParams) -> None:
    state = SamplingState(params, [1, 2, 3])
    logits = logits_of(2, 5_000)
    logits[0, ::7] = -np.inf
    for _ in range(5):
        (token,) = Sampler(5_000).sample(logits, [state])
        assert 0 <= token.token_id < 5_000
        state.append(token.token_id)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_nothing(threads: int) -> None:
    vocab, rows = 5_000, 37
    logits = logits_of(1, vocab, rows=rows)

    def tokens(count: int) -> list[int]:
        sampler = Sampler(vocab, threads=count)
        states = [
            SamplingState(SamplingParams(seed=row, top_p=0.9, temperature=row % 3), index=row) for row in range(rows)
        ]
        return [token.token_id for _ in range(3) for token in sampler.sample(logits, states)]

    assert tokens(threads) == tokens(1)
