"""Guesses change how many steps an answer takes, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from generation_kinds.cores import GREEDY, answer, core, drain
from hypothesis import event, given, settings
from hypothesis import strategies as st

from panope_backends.api import GenerationRequest, SamplingParams, StepBatch, TokenDelta
from panope_backends.errors import InvalidInputError
from panope_backends.generation import GenerationEngine
from panope_backends.testing import ChecksumStepModel, RunningChecksumStepModel

#: Of so few tokens that guesses are often right.
FEW = 3


def model(**config: Any) -> ChecksumStepModel:
    return ChecksumStepModel({"vocab_size": FEW, "block_size": 4, "max_positions": 90} | config)


class Repeating(ChecksumStepModel):
    """The token after each is the next one of the vocabulary, so that answers repeat themselves."""

    def _checksums(self, batch: StepBatch) -> np.ndarray[Any, Any]:
        last: np.ndarray[Any, Any] = batch.tokens[batch.sampled]
        return last

    def _logits_of(self, checksums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.eye(self.vocab_size, dtype=np.float32)[(checksums + 1) % self.vocab_size]


def told(deltas: list[TokenDelta]) -> dict[tuple[int, int], Any]:
    """What each answer came to, however its deltas were split."""
    whole: dict[tuple[int, int], Any] = {}
    for delta in deltas:
        tokens, text, logprobs, _ = whole.get((delta.request_id, delta.index), ((), "", (), None))
        end = (delta.finish_reason, delta.stop_reason)
        known = (tokens + delta.token_ids, text + delta.text, logprobs + delta.logprobs, end)
        whole[delta.request_id, delta.index] = known
    return whole


@st.composite
def requests(draw: st.DrawFn) -> list[GenerationRequest]:
    tokens = st.integers(0, FEW - 1)
    return [
        GenerationRequest(
            number,
            tuple(draw(st.lists(tokens, min_size=1, max_size=20))),
            sampling=SamplingParams(
                temperature=draw(st.sampled_from([0.0, 0.7])),
                seed=number,
                top_k=draw(st.sampled_from([0, 2])),
                presence_penalty=draw(st.sampled_from([0.0, 0.5])),
            ),
            max_tokens=draw(st.one_of(st.none(), st.integers(1, 60))),
            n=draw(st.sampled_from([1, 1, 3])),
            stop=tuple(draw(st.lists(st.text('!"#', min_size=4, max_size=6), max_size=1))),
            logprobs=draw(st.sampled_from([None, 1])),
            lookup_tokens=draw(st.sampled_from([None, None, 0, 2, 7])),
            lookup_max_ngram=draw(st.integers(1, 4)),
        )
        for number in range(draw(st.integers(1, 4)))
    ]


def run(engine: GenerationEngine, asked: list[GenerationRequest]) -> list[TokenDelta]:
    for request in asked:
        engine.submit(request)
    return drain(engine)


@settings(max_examples=60)
@given(requests(), st.integers(1, 9), st.sampled_from([23, 200]))
def test_answers_are_those_without_guesses(asked: list[GenerationRequest], guesses: int, blocks: int) -> None:
    plain = [replace(request, lookup_tokens=0) for request in asked]
    expected = told(run(core(model(), 200, eos_token_ids=()), plain))
    engine = core(model(), blocks, draft_tokens=guesses, step_tokens=40, max_step_tokens=40)
    assert told(run(engine, asked)) == expected
    statistics = engine.statistics()
    assert statistics.blocks_used == 0
    assert statistics.accepted_tokens <= statistics.drafted_tokens
    event(f"guessed right: {statistics.accepted_tokens > 0}, pre-empted: {statistics.preemptions > 0}")


def test_an_answer_that_repeats_itself_takes_few_steps() -> None:
    engine = core(Repeating({"vocab_size": 5, "block_size": 4, "max_positions": 200}), 50, draft_tokens=8)
    engine.submit(GenerationRequest(1, (0, 1, 2, 3, 4, 0), sampling=GREEDY, max_tokens=91))
    deltas = drain(engine)
    assert answer(deltas, 1) == [number % 5 for number in range(1, 92)]
    statistics = engine.statistics()
    assert statistics.steps == 12
    assert (statistics.drafted_tokens, statistics.accepted_tokens) == (79, 79)


@pytest.mark.parametrize(("setting", "asked", "drafted"), [(0, 8, 79), (8, 0, 0), (2, 8, 79), (8, None, 79)])
def test_a_requests_own_number_of_guesses_counts_first(setting: int, asked: int | None, drafted: int) -> None:
    engine = core(Repeating({"vocab_size": 5, "block_size": 4, "max_positions": 200}), 50, draft_tokens=setting)
    engine.submit(GenerationRequest(1, (0, 1, 2, 3, 4, 0), sampling=GREEDY, max_tokens=91, lookup_tokens=asked))
    assert answer(drain(engine), 1) == [number % 5 for number in range(1, 92)]
    assert engine.statistics().drafted_tokens == drafted


def test_others_beside_a_request_with_guesses_have_none() -> None:
    engine = core(Repeating({"vocab_size": 5, "block_size": 4, "max_positions": 200}), 50)
    prompt = (0, 1, 2, 3, 4, 0)
    engine.submit(GenerationRequest(1, prompt, sampling=GREEDY, max_tokens=31, lookup_tokens=4))
    engine.submit(GenerationRequest(2, prompt, sampling=GREEDY, max_tokens=31))
    deltas = drain(engine)
    assert answer(deltas, 1) == answer(deltas, 2)
    assert 0 < engine.statistics().drafted_tokens < 31


def test_only_as_many_last_tokens_are_looked_for_as_the_request_says() -> None:
    drafted = []
    for max_ngram in (1, 2):  # of the two places of the last token, the one that looks alike is found by its neighbour
        engine = core(Repeating({"vocab_size": 9, "block_size": 4, "max_positions": 40}), 20)
        prompt = (2, 3, 4, 5, 8, 3, 7, 2, 3)
        engine.submit(
            GenerationRequest(1, prompt, sampling=GREEDY, max_tokens=3, lookup_tokens=2, lookup_max_ngram=max_ngram)
        )
        assert answer(drain(engine), 1) == [4, 5, 6]
        drafted.append(engine.statistics().accepted_tokens)
    assert drafted[1] > 0


def test_wrong_guesses_become_fewer() -> None:
    guessed = core(ChecksumStepModel({"vocab_size": 8, "block_size": 4, "max_positions": 200}), 50, draft_tokens=16)
    guessed.submit(GenerationRequest(1, (1, 2, 3) * 4, sampling=GREEDY, max_tokens=100))
    drain(guessed)
    statistics = guessed.statistics()
    assert 0 < statistics.drafted_tokens < 4 * statistics.steps


def test_guesses_take_no_block_that_another_sequence_needs() -> None:
    engine = core(Repeating({"vocab_size": 5, "block_size": 4, "max_positions": 40}), 10, draft_tokens=8)
    for number in range(2):
        engine.submit(GenerationRequest(number, (0, 1, 2, 3, 4, 0), sampling=GREEDY, max_tokens=14))
    drain(engine)
    assert engine.statistics().preemptions == 0


@pytest.mark.parametrize("guesses", [0, 4])
def test_a_state_that_cannot_go_back_is_given_no_guesses(guesses: int) -> None:
    engine = core(RunningChecksumStepModel({"vocab_size": FEW, "max_positions": 60}), 4, draft_tokens=guesses)
    engine.submit(GenerationRequest(1, (0, 1, 0, 1), sampling=GREEDY))
    drain(engine)
    assert engine.statistics().drafted_tokens == 0


def test_a_request_for_guesses_of_a_state_that_cannot_go_back_is_refused_by_name() -> None:
    engine = core(RunningChecksumStepModel({"vocab_size": FEW, "max_positions": 60}), 4)
    with pytest.raises(InvalidInputError) as refused:
        engine.submit(GenerationRequest(1, (0, 1, 0, 1), sampling=GREEDY, lookup_tokens=4))
    assert (refused.value.field, refused.value.reason) == ("lookup_tokens", "unsupported_field")


def test_nothing_is_guessed_unless_it_is_set() -> None:
    engine = core(Repeating({"vocab_size": 5, "block_size": 4, "max_positions": 60}), 20)
    engine.submit(GenerationRequest(1, (0, 1, 2, 3, 4, 0), sampling=GREEDY))
    drain(engine)
    assert engine.statistics().drafted_tokens == 0
