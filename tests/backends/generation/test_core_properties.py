"""Whatever comes and goes, each answer is the one that a plain loop gives, and no block is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from generation_kinds.cores import GREEDY, VOCAB, answer, core, logits_of, plain_answer
from hypothesis import event, given, settings
from hypothesis import strategies as st

from panope_backends.api import FinishReason, GenerationRequest, StepBatch, StepModel, TokenDelta
from panope_backends.generation import GenerationEngine
from panope_backends.generation.sampling import logprobs
from panope_backends.testing import ChecksumStepModel, RunningChecksumStepModel

#: Prompts begin with a part of one of these, so that some share full blocks, some end in the middle of one.
BEGINNINGS = tuple(tuple(np.random.default_rng(seed).integers(0, VOCAB, 24).tolist()) for seed in range(2))


@dataclass(frozen=True)
class Call:
    """A request, the step before which it comes, and the one before which it is cancelled."""

    request: GenerationRequest
    arrives: int
    cancelled: int | None


@dataclass(frozen=True)
class World:
    """A model and the core's settings."""

    blocks: int
    block_size: int
    settings: dict[str, Any]


lookups = st.sampled_from([None, None, 0, 3])


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    drawn = []
    for number in range(draw(st.integers(1, 7))):
        shared = draw(st.sampled_from(BEGINNINGS))[: draw(st.sampled_from([0, 8, 13, 24]))]
        own = draw(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=9))
        request = GenerationRequest(
            number,
            (*shared, *own),
            sampling=GREEDY,
            max_tokens=draw(st.one_of(st.none(), st.integers(1, 30))),
            n=draw(st.sampled_from([1, 1, 1, 2, 4])),
            stop_token_ids=tuple(draw(st.lists(st.integers(0, VOCAB - 1), max_size=3))),
            prompt_logprobs=draw(st.sampled_from([None, None, None, 0])),
            priority=draw(st.integers(-1, 1)),
            cache_salt=draw(st.sampled_from(["", "", "a"])),
            lookup_tokens=draw(lookups),
        )
        arrives = draw(st.integers(0, 25))
        later = draw(st.one_of(st.none(), st.none(), st.integers(0, 20)))
        cancelled = None if later is None else arrives + later
        drawn.append(Call(request, arrives, cancelled))
    return drawn


worlds = st.builds(
    World,
    blocks=st.integers(10, 40),
    block_size=st.sampled_from([4, 4, 5, 1]),
    settings=st.fixed_dictionaries(
        {
            "slots": st.just(28),
            "step_tokens": st.sampled_from([1, 7, 64]),
            "max_step_tokens": st.sampled_from([64, 256]),
            "prefix_cache": st.booleans(),
            "draft_tokens": st.sampled_from([0, 0, 5]),
        }
    ),
)


class WatchedModel(ChecksumStepModel):
    """Asserts that no block is written that two tables hold, those of sequences outside of the step included."""

    engine: GenerationEngine

    def forward(self, batch: StepBatch) -> np.ndarray[Any, Any]:
        pool = self.engine._loop.manager.pool
        for index, past in enumerate(batch.past_lengths.tolist()):
            table = self._table(batch, index)
            written = table[past // self.cache.block_size :].tolist()
            assert all(pool.references(block) == 1 for block in written)
            assert all(pool.references(block) >= 1 for block in table.tolist())
        return super().forward(batch)


def play(engine: GenerationEngine, script: Sequence[Call], steps: int) -> list[TokenDelta]:
    """Submits and cancels as the script says, and steps until all have ended."""
    deltas: list[TokenDelta] = []
    last = max(call.arrives for call in script)
    for step in range(steps):
        for call in script:
            if call.arrives == step:
                engine.submit(call.request)
            if call.cancelled == step:
                engine.cancel(call.request.id)
        deltas += engine.deltas(0)
        if step >= last and not engine._requests:
            return deltas
    raise AssertionError("a request did not end: it starves")


def assert_right(engine: GenerationEngine, script: Sequence[Call], deltas: Sequence[TokenDelta]) -> None:
    for call in script:
        request = call.request
        own = [delta for delta in deltas if delta.request_id == request.id]
        assert [delta.usage is not None for delta in own] == [False] * (len(own) - 1) + [True]
        expected = plain_answer(request, engine.max_positions)
        for index in range(request.n):
            assert_answer(call, [delta for delta in own if delta.index == index], expected)
        usage = own[-1].usage
        assert usage is not None
        assert usage.prompt_tokens == len(request.prompt_token_ids)
        assert usage.completion_tokens == sum(len(delta.token_ids) for delta in own)
        assert usage.cached_tokens < usage.prompt_tokens
        if request.prompt_logprobs is not None and call.cancelled is None:
            assert_scored(request, own)


def assert_answer(call: Call, own: Sequence[TokenDelta], expected: list[int]) -> None:
    tokens = answer(own, call.request.id, own[0].index)
    reasons = [delta.finish_reason for delta in own]
    assert all(reason is None for reason in reasons[:-1])
    if reasons[-1] is FinishReason.CANCELLED:
        assert call.cancelled is not None
        assert tokens == expected[: len(tokens)]
        return
    assert tokens == expected
    is_stop = tokens[-1] in call.request.stop_token_ids
    assert reasons[-1] is (FinishReason.STOP if is_stop else FinishReason.LENGTH)


def assert_scored(request: GenerationRequest, own: Sequence[TokenDelta]) -> None:
    told = [entry.chosen for delta in own for entry in delta.prompt_logprobs]
    prompt = request.prompt_token_ids
    assert [entry.token_id for entry in told] == list(prompt[1:])
    expected = logprobs.of_rows(logits_of(prompt)[:-1], prompt[1:], 0, lambda token_id: b"")
    assert [entry.logprob for entry in told] == [entry.chosen.logprob for entry in expected]


def assert_nothing_is_held(engine: GenerationEngine) -> None:
    pool = engine._loop.manager.pool
    assert pool.used == 0
    assert not any(pool.references(block) for block in range(pool.size))
    assert sorted([*pool._free, *pool._evictable]) == list(range(pool.size))
    assert pool.cached == len(pool._evictable)
    assert not engine._loop.scheduler.running + engine._loop.scheduler.waiting
    assert engine._taken_slots == 0


def run(model: StepModel, world: World, script: Sequence[Call]) -> GenerationEngine:
    engine = core(model, world.blocks, **world.settings)
    if isinstance(model, WatchedModel):
        model.engine = engine
    script = [call for call in script if len(call.request.prompt_token_ids) < engine.max_positions]
    if not model.rewinds:
        script = [replace(call, request=replace(call.request, lookup_tokens=None)) for call in script]
    if script:
        assert_right(engine, script, play(engine, script, steps=20_000))
    assert_nothing_is_held(engine)
    return engine


@settings(max_examples=100)
@given(worlds, calls())
def test_answers_over_pages_are_those_of_a_plain_loop(world: World, script: list[Call]) -> None:
    model = WatchedModel({"vocab_size": VOCAB, "block_size": world.block_size, "max_positions": 60})
    statistics = run(model, world, script).statistics()
    event(f"pre-empted: {statistics.preemptions > 0}")
    event(f"cached: {statistics.cached_tokens > 0}")


@settings(max_examples=40)
@given(st.integers(1, 6), worlds, calls())
def test_answers_over_running_states_are_those_of_a_plain_loop(blocks: int, world: World, script: list[Call]) -> None:
    model = RunningChecksumStepModel({"vocab_size": VOCAB, "max_positions": 60})
    world = World(blocks, 60, world.settings)
    assert run(model, world, script).statistics().cached_tokens == 0
