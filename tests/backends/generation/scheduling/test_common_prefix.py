"""What prompts of one moment have in common is computed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, plain_answer
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.api import GenerationRequest, StepBatch, TokenDelta
from panope_backends.generation import GenerationEngine
from panope_backends.testing import ChecksumStepModel

BLOCK = 4
COMMON = tuple(np.random.default_rng(1).integers(0, VOCAB, 200).tolist())


class CountingModel(ChecksumStepModel):
    """Counts the tokens that it computes."""

    computed = 0

    def forward(self, batch: StepBatch) -> np.ndarray[Any, Any]:
        self.computed += len(batch.tokens)
        return super().forward(batch)


def made(blocks: int = 400, **more: Any) -> tuple[CountingModel, GenerationEngine]:
    model = CountingModel({"vocab_size": VOCAB, "block_size": BLOCK, "max_positions": 300})
    return model, core(model, blocks, **more)


def ask(engine: GenerationEngine, number: int, prompt: tuple[int, ...], **fields: Any) -> GenerationRequest:
    request = GenerationRequest(number, prompt, **{"sampling": GREEDY, "max_tokens": 1, **fields})
    engine.submit(request)
    return request


def drain(engine: GenerationEngine) -> list[TokenDelta]:
    deltas: list[TokenDelta] = []
    while engine._requests:
        deltas += engine.deltas(0)
    return deltas


@pytest.mark.parametrize("step_tokens", [7, 64, 4096])
@pytest.mark.parametrize("number", [2, 9])
def test_prompts_that_arrive_together_compute_their_common_beginning_once(number: int, step_tokens: int) -> None:
    model, engine = made(step_tokens=step_tokens, max_step_tokens=4096)
    for each in range(number):
        ask(engine, each, (*COMMON[:160], each, each))
    deltas = drain(engine)
    assert model.computed == 160 + 2 * number
    assert sorted(delta.usage.cached_tokens for delta in deltas if delta.usage) == [0] + [160] * (number - 1)


def test_without_the_cache_each_is_computed() -> None:
    model, engine = made(prefix_cache=False)
    for each in range(3):
        ask(engine, each, (*COMMON[:160], each, each))
    drain(engine)
    assert model.computed == 3 * 162


def test_requests_of_different_salts_have_nothing_in_common() -> None:
    model, engine = made()
    for each, salt in enumerate(["", "a", "b", "b"]):
        ask(engine, each, (*COMMON[:160], each, each), cache_salt=salt)
    drain(engine)
    assert model.computed == 4 * 162 - 160


def test_a_beginning_that_is_little_of_the_prompt_is_not_waited_for() -> None:
    model, engine = made()
    for each in range(2):
        ask(engine, each, (*COMMON[:20], *[each] * 100))
    assert {delta.request_id for delta in engine.deltas(0)} == {0, 1}
    assert model.computed == 240


def test_prompts_that_differ_pass_one_that_waits_for_what_is_being_computed() -> None:
    _, engine = made(step_tokens=200, max_step_tokens=200)
    ask(engine, 1, (*COMMON[:160], 1))
    ask(engine, 2, (*COMMON[:160], 2))
    ask(engine, 3, tuple(range(30)))
    assert {delta.request_id for delta in engine.deltas(0)} == {1, 3}
    assert {delta.request_id for delta in engine.deltas(0)} == {2}


def test_a_request_of_a_higher_priority_waits_for_none_of_a_lower_one() -> None:
    model, engine = made(step_tokens=100, max_step_tokens=100)
    ask(engine, 1, (*COMMON[:160], 1), max_tokens=5)
    assert not engine.deltas(0)
    ask(engine, 2, (*COMMON[:160], 2), max_tokens=2, priority=1)
    engine.deltas(0)
    assert [sequence.request.given.id for sequence in engine._loop.scheduler.running] == [2, 1]
    drain(engine)
    assert model.computed < 2 * 161 + 6, "what was computed already is shared"


def test_one_whose_leader_is_cancelled_starts_by_itself() -> None:
    _, engine = made(step_tokens=64, max_step_tokens=64)
    ask(engine, 1, (*COMMON[:160], 1))
    request = ask(engine, 2, (*COMMON[:160], 2), max_tokens=3)
    engine.deltas(0)
    engine.cancel(1)
    assert answer(drain(engine), 2) == plain_answer(request, engine.max_positions)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 160), st.integers(1, 30), st.integers(-1, 1)), min_size=1, max_size=8),
    st.integers(1, 200),
    st.integers(60, 400),
)
def test_all_end_with_the_answers_of_a_plain_loop(
    asked: list[tuple[int, int, int]], step_tokens: int, blocks: int
) -> None:
    model, engine = made(blocks=blocks, step_tokens=step_tokens, max_step_tokens=max(64, step_tokens))
    requests = [
        ask(engine, number, (*COMMON[:common], *[number] * own), max_tokens=4, priority=priority)
        for number, (common, own, priority) in enumerate(asked)
    ]
    deltas = drain(engine)
    for request in requests:
        assert answer(deltas, request.id) == plain_answer(request, engine.max_positions)
    assert model.computed <= sum(len(request.prompt_token_ids) + 4 for request in requests) + 400 * (
        engine.statistics().preemptions
    )
