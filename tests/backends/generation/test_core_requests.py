"""What the core refuses at once, and how what it takes is counted."""

from __future__ import annotations

from typing import Any

import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, drain, letters, plain_answer

from panope_backends.api import GenerationRequest, GenerationUsage, SamplingParams
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.generation import Decoding, GenerationEngine, GenerationSettings
from panope_backends.testing import ChecksumStepModel

CONFIG = {"vocab_size": VOCAB, "block_size": 4, "max_positions": 128}


def engine(blocks: int = 64, **settings: Any) -> GenerationEngine:
    return core(ChecksumStepModel(CONFIG), blocks, **settings)


def request(number: int, length: int, **changes: Any) -> GenerationRequest:
    settings = {"max_tokens": 4, "sampling": GREEDY} | changes
    return GenerationRequest(number, tuple(range(length)), **settings)


def usage(made: GenerationEngine, asked: GenerationRequest) -> GenerationUsage:
    made.submit(asked)
    told = drain(made)[-1].usage
    assert told is not None
    return told


@pytest.mark.parametrize("token_id", [-1, VOCAB])
def test_token_ids_out_of_the_vocabulary_are_refused_by_their_field(token_id: int) -> None:
    for field, changes in (
        ("stop_token_ids", {"stop_token_ids": (token_id,)}),
        ("logit_bias", {"sampling": SamplingParams(logit_bias={token_id: 1.0})}),
    ):
        with pytest.raises(InvalidInputError) as refusal:
            engine().submit(request(1, 3, **changes))
        assert refusal.value.field == field


def test_a_model_without_a_cache_is_refused() -> None:
    with pytest.raises(PreconditionError):
        GenerationEngine(ChecksumStepModel(CONFIG), Decoding(letters(), VOCAB, ()), GenerationSettings())


def test_a_pool_smaller_than_the_model_limits_the_positions() -> None:
    small = engine(blocks=5)
    assert small.max_positions == 20
    asked = request(1, 7, max_tokens=None)
    small.submit(asked)
    assert len(answer(drain(small), 1)) == 13


def test_a_prompt_that_was_computed_is_not_computed_again() -> None:
    made = engine()
    assert usage(made, request(1, 19)) == GenerationUsage(19, 4, 0)
    assert usage(made, request(2, 19)) == GenerationUsage(19, 4, 16)
    assert usage(made, request(3, 16)) == GenerationUsage(16, 4, 12), "the last token is computed in any case"
    statistics = made.statistics()
    assert (statistics.prompt_tokens, statistics.cached_tokens) == (54, 28)


def test_the_next_turn_of_a_chat_starts_with_the_last() -> None:
    made = engine()
    first = request(1, 10, max_tokens=11)
    usage(made, first)
    turn = (*first.prompt_token_ids, *plain_answer(first, 128), 1, 2, 3)
    assert usage(made, GenerationRequest(2, turn, sampling=GREEDY, max_tokens=2)).cached_tokens == 20


def test_without_a_prefix_cache_all_is_computed() -> None:
    made = engine(prefix_cache=False)
    assert [usage(made, request(number, 19)).cached_tokens for number in range(2)] == [0, 0]


def test_several_answers_compute_their_prompt_once() -> None:
    made = engine(slots=4, step_tokens=8, max_step_tokens=8)
    model = made._model
    assert isinstance(model, ChecksumStepModel)
    made.submit(request(1, 17, n=4, max_tokens=1))
    drain(made)
    assert model.rows_computed == 1
    assert made.statistics().steps == 3


def test_the_log_probabilities_of_a_prompt_need_its_logits_in_spite_of_the_cache() -> None:
    made = engine()
    usage(made, request(1, 19))
    assert usage(made, request(2, 19, prompt_logprobs=0)).cached_tokens == 0


def test_statistics_say_what_runs_and_what_waits() -> None:
    made = engine(blocks=6)
    for number in range(3):
        made.submit(request(number, 11 + number, max_tokens=8))
    assert made.statistics().waiting == 3
    made.deltas(0)
    now = made.statistics()
    assert (now.running, now.waiting, now.blocks, now.blocks_used) == (1, 2, 6, 3)
    drain(made)
    now = made.statistics()
    assert (now.running, now.waiting, now.blocks_used, now.completion_tokens) == (0, 0, 0, 24)
    assert now.blocks_cached > 0
