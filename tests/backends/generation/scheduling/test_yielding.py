"""Sequences of lower priority make way for those of higher, as far as they make steps longer, and are not starved."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, plain_answer
from hypothesis import given
from hypothesis import strategies as st

from panope_backends.api import GenerationRequest, StepBatch
from panope_backends.generation import GenerationEngine, step_loop
from panope_backends.generation.scheduling.yielding import MOST_LONGER, STARVATION_FACTOR, Yielding
from panope_backends.testing import ChecksumStepModel

HIGH, NORMAL, LOW = 1, 0, -1
LONG = 200


class TimedModel(ChecksumStepModel):
    """A model whose steps take as long as is said, by the clock of the step loop."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        super().__init__({"vocab_size": VOCAB, "block_size": 4, "max_positions": 400})
        self.now = 0.0
        self._seconds = seconds

    def forward(self, batch: StepBatch):
        self.now += self._seconds(len(batch.tokens))
        return super().forward(batch)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], float]], tuple[GenerationEngine, TimedModel]]:
    def make(seconds: Callable[[int], float]) -> tuple[GenerationEngine, TimedModel]:
        model = TimedModel(seconds)
        monkeypatch.setattr(step_loop, "perf_counter", lambda: model.now)
        return core(model, 2000, slots=32), model

    return make


def ask(engine: GenerationEngine, number: int, priority: int = NORMAL, tokens: int = LONG) -> GenerationRequest:
    request = GenerationRequest(number, (number, 1, 2), sampling=GREEDY, max_tokens=tokens, priority=priority)
    engine.submit(request)
    return request


def run(engine: GenerationEngine, steps: int) -> Counter[int]:
    """How many tokens each request got in so many steps."""
    return Counter(delta.request_id for _ in range(steps) for delta in engine.deltas(0))


def seconds_of_urgent(engine: GenerationEngine, model: TimedModel, tokens: int) -> float:
    began = model.now
    ask(engine, 60, HIGH, tokens)
    while not any(delta.request_id == 60 and delta.finish_reason for delta in engine.deltas(0)):
        pass
    return model.now - began


def test_an_urgent_answer_comes_nearly_as_soon_as_alone_where_each_sequence_makes_steps_longer(made) -> None:
    alone = seconds_of_urgent(*made(lambda tokens: 0.005 + 0.002 * tokens), 60)
    engine, model = made(lambda tokens: 0.005 + 0.002 * tokens)
    for number in range(24):
        ask(engine, number)
    run(engine, 20)
    assert seconds_of_urgent(engine, model, 60) < 1.3 * alone


def test_nobody_makes_way_where_sequences_add_nothing_to_a_step(made) -> None:
    engine, model = made(lambda tokens: 0.01)
    for number in range(24):
        ask(engine, number)
    run(engine, 20)
    seconds_of_urgent(engine, model, 20)
    ask(engine, 61, HIGH)
    counts = run(engine, 100)
    assert min(counts[number] for number in range(24)) >= 95


def test_those_who_make_way_have_a_seventeenth_and_take_turns_in_it(made) -> None:
    engine, _ = made(lambda tokens: 0.1 * tokens)
    for number in range(4):
        ask(engine, number, NORMAL if number else LOW)
    run(engine, 8)
    ask(engine, 60, HIGH)
    counts = run(engine, 160)
    assert counts[60] == 160
    assert sum(counts.values()) - 160 >= 160 // STARVATION_FACTOR - 1
    assert max(counts[number] for number in range(4)) - min(counts[number] for number in range(4)) <= 1


def test_a_prompt_of_normal_priority_is_begun_and_ended_beside_urgent_answers(made) -> None:
    engine, _ = made(lambda tokens: 0.1 * tokens)
    ask(engine, 60, HIGH)
    run(engine, 2)
    ask(engine, 1, tokens=2)
    assert run(engine, 16 * 8)[1] == 2


def test_low_priority_makes_way_for_normal(made) -> None:
    engine, _ = made(lambda tokens: 0.1 * tokens)
    ask(engine, 1, LOW)
    run(engine, 5)
    ask(engine, 2)
    counts = run(engine, 100)
    assert (counts[2], counts[1] < 20) == (100, True)


def test_answers_are_the_same_whoever_made_way(made) -> None:
    engine, _ = made(lambda tokens: 0.1 * tokens)
    requests = [ask(engine, number, random.Random(number).choice([HIGH, NORMAL, LOW]), 30) for number in range(9)]
    deltas = [delta for _ in range(700) for delta in engine.deltas(0)]
    for request in requests:
        assert answer(deltas, request.id) == plain_answer(request, engine.max_positions)


@given(
    st.floats(1e-4, 1.0),
    st.floats(1e-5, 1.0),
    st.lists(st.integers(1, 64), min_size=20, max_size=60).filter(lambda sizes: len(set(sizes)) > 3),
    st.integers(1, 32),
)
def test_the_rest_makes_a_step_longer_by_no_more_than_its_part(base, each, sizes, urgent) -> None:
    yielding = Yielding()
    for size in sizes:
        yielding.learn(size, base + each * size)
    room = yielding.room(urgent)
    alone = base + each * urgent
    assert each * room <= MOST_LONGER * alone * 1.01 or room <= 1 + urgent / STARVATION_FACTOR


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 10)), max_size=50), st.integers(1, 32))
def test_whatever_steps_took_the_rest_has_its_seventeenth(steps, urgent) -> None:
    yielding = Yielding()
    given_to_rest = 0
    for size, seconds in steps:
        yielding.learn(size, seconds)
    for _ in range(64):
        room = yielding.room(urgent)
        given_to_rest += min(room, 100)
        yielding.took(min(room, 100))
    assert given_to_rest >= 64 * urgent // STARVATION_FACTOR - 1
