"""Which sequences a step computes, seen by the model that computes it."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, drain, plain_answer

from panope_backends.api import FinishReason, GenerationRequest, StepBatch
from panope_backends.generation import GenerationEngine, step_loop
from panope_backends.testing import ChecksumStepModel

Array = np.ndarray[Any, Any]


class Recorder(ChecksumStepModel):
    """Writes down of each step how many tokens its sequences have, keyed by the first token of their prompt."""

    def __init__(self) -> None:
        super().__init__({"vocab_size": VOCAB, "block_size": 4, "max_positions": 400})
        self.steps: list[dict[int, int]] = []
        self.rows: list[int] = []

    def forward(self, batch: StepBatch) -> Array:
        logits = super().forward(batch)
        first_blocks = batch.block_tables[batch.block_begins[:-1]]
        names = (self._cells[first_blocks, 0] - 1).tolist()
        self.steps.append(dict(zip(names, batch.lengths.tolist(), strict=True)))
        self.rows.append(len(batch.sampled))
        return logits


def made(blocks: int = 400, **settings: Any) -> tuple[GenerationEngine, Recorder]:
    model = Recorder()
    return core(model, blocks, **{"slots": 4, "step_tokens": 16, "max_step_tokens": 16} | settings), model


def request(name: int, length: int, **changes: Any) -> GenerationRequest:
    """A prompt that begins with its own name, so that none shares a block."""
    settings = {"max_tokens": 8} | changes
    return GenerationRequest(name, (name,) * length, sampling=GREEDY, **settings)


def test_answers_go_on_each_step_while_a_long_prompt_is_computed_in_chunks() -> None:
    engine, model = made()
    engine.submit(request(1, 3))
    engine.deltas(0)
    engine.submit(request(2, 40))
    for _ in range(3):
        assert engine.deltas(0)[0].request_id == 1
    assert model.steps == [{1: 3}, {1: 1, 2: 15}, {1: 1, 2: 15}, {1: 1, 2: 10}]


def test_a_prompt_that_nobody_waits_behind_is_computed_in_longer_steps() -> None:
    engine, model = made(max_step_tokens=128, step_tokens=64)
    engine.submit(request(1, 200))
    drain(engine)
    assert model.steps[:3] == [{1: 64}, {1: 128}, {1: 8}], (
        "first as many as while somebody waits, to measure the device"
    )


def test_steps_grow_with_the_prompts_that_wait() -> None:
    engine, model = made(max_step_tokens=128, step_tokens=64)
    engine.submit(request(1, 64, max_tokens=30))
    engine.deltas(0)
    engine.submit(request(2, 380))
    drain(engine)
    assert model.steps[1:3] == [{1: 1, 2: 94}, {1: 1, 2: 70}]


def test_steps_have_fewer_tokens_on_a_device_that_takes_long_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = count(step=0.5)
    monkeypatch.setattr(step_loop, "perf_counter", lambda: next(now))
    engine, model = made(max_step_tokens=256, step_tokens=200)
    engine.submit(request(1, 390))
    drain(engine)
    assert model.steps[0] == {1: 200}
    assert model.steps[1] == {1: 190}, "200 tokens in 0.5 s allow 400 in one"
    slow = count(step=4.0)
    monkeypatch.setattr(step_loop, "perf_counter", lambda: next(slow))
    engine, model = made(max_step_tokens=256, step_tokens=200)
    engine.submit(request(1, 390))
    drain(engine)
    assert [sum(step.values()) for step in model.steps[:4]] == [200, 64, 64, 62]


def test_several_prompts_share_a_step_in_the_order_in_which_they_came() -> None:
    engine, model = made()
    for name in (3, 1, 2):
        engine.submit(request(name, 7))
    engine.deltas(0)
    assert model.steps == [{3: 7, 1: 7, 2: 2}]


def test_prompts_of_a_higher_priority_come_first() -> None:
    engine, model = made()
    for name, priority in ((1, 0), (2, 0), (3, 5)):
        engine.submit(request(name, 12, priority=priority, max_tokens=1))
    engine.deltas(0)
    engine.deltas(0)
    assert model.steps == [{3: 12}, {1: 12, 2: 4}], "and alone, until it is known what others add to a step"


def test_a_short_prompt_does_not_pass_a_long_one_that_waits_for_blocks() -> None:
    engine, model = made(blocks=12)
    engine.submit(request(1, 24, max_tokens=4))
    engine.submit(request(2, 30, max_tokens=4))
    engine.submit(request(3, 2, max_tokens=4))
    order = [delta.request_id for delta in drain(engine) if delta.finish_reason]
    assert order[0] == 1
    starts = [next(place for place, step in enumerate(model.steps) if name in step) for name in (1, 2, 3)]
    assert starts[0] < starts[1] <= starts[2]
    assert engine.statistics().preemptions == 0


def test_a_request_of_a_higher_priority_takes_the_blocks_of_a_lower_one_which_loses_nothing() -> None:
    engine, _ = made(blocks=12)
    low, high = request(1, 30), request(2, 30, priority=1)
    engine.submit(low)
    before = [engine.deltas(1)[0] for _ in range(3)]
    engine.submit(high)
    deltas = [*before, *drain(engine)]
    assert [delta.request_id for delta in deltas if delta.finish_reason] == [2, 1]
    for asked in (low, high):
        assert answer(deltas, asked.id) == plain_answer(asked, engine.max_positions)
    assert engine.statistics().preemptions == 1


def test_a_request_of_the_same_priority_waits_for_blocks() -> None:
    engine, _ = made(blocks=12)
    engine.submit(request(1, 30))
    engine.submit(request(2, 30))
    assert [delta.request_id for delta in drain(engine) if delta.finish_reason] == [1, 2]
    assert engine.statistics().preemptions == 0


def test_the_latest_gives_way_when_there_is_no_block_for_a_next_token() -> None:
    engine, _ = made(blocks=10)
    requests = [request(name, 11, max_tokens=20) for name in (1, 2)]
    for asked in requests:
        engine.submit(asked)
    deltas = drain(engine)
    assert [delta.request_id for delta in deltas if delta.finish_reason] == [1, 2]
    assert engine.statistics().preemptions == 1
    for asked in requests:
        assert answer(deltas, asked.id) == plain_answer(asked, engine.max_positions)


def test_a_cancelled_request_ends_with_the_next_step_and_gives_its_blocks_to_it() -> None:
    engine, model = made(blocks=12)
    engine.submit(request(1, 40, n=2))
    engine.submit(request(2, 40))
    engine.deltas(0)
    engine.cancel(1)
    ends = engine.deltas(0)
    assert [(delta.request_id, delta.index, delta.finish_reason) for delta in ends] == [
        (1, 0, FinishReason.CANCELLED),
        (1, 1, FinishReason.CANCELLED),
    ]
    assert model.steps[-1] == {2: 16}


def test_rows_for_log_probabilities_of_prompts_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_loop, "_SCORE_NUMBERS", 5 * VOCAB)
    engine, model = made()
    engine.submit(request(1, 12, prompt_logprobs=0, max_tokens=1))
    engine.submit(request(2, 12, prompt_logprobs=0, max_tokens=1))
    deltas = drain(engine)
    assert max(model.rows) <= 7
    assert sum(len(delta.prompt_logprobs) for delta in deltas) == 22
