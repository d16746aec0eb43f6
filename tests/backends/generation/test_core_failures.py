"""What fails ends alone: others get the answers that they get without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from generation_kinds.cores import GREEDY, VOCAB, answer, core, drain, plain_answer

from panope_backends.api import FinishReason, GenerationRequest, StepBatch, StepModel, TokenDelta
from panope_backends.errors import OUT_OF_DEVICE_MEMORY, InternalError, OverloadedError, PanopeError
from panope_backends.generation import GenerationEngine
from panope_backends.generation.text.text_stream import TextDelta
from panope_backends.testing import ChecksumStepModel, RunningChecksumStepModel

Array = np.ndarray[Any, Any]

BAD = 63
"""A token that the models below fail with."""

LAST = 9
"""The id of a request after all others."""

CONFIG = {"vocab_size": VOCAB, "max_positions": 128}


class Paged(ChecksumStepModel):
    def __init__(self) -> None:
        super().__init__(CONFIG)


class Running(RunningChecksumStepModel):
    def __init__(self) -> None:
        super().__init__(CONFIG)


def request(number: int, *prompt: int, **changes: Any) -> GenerationRequest:
    settings = {"max_tokens": 10} | changes
    return GenerationRequest(number, prompt, sampling=GREEDY, **settings)


def good(number: int) -> GenerationRequest:
    """A request whose answer has no bad token."""
    asked = request(number, number, 2, 3, 4, 5, 6, stop_token_ids=(BAD,))
    assert BAD not in plain_answer(asked, 128)
    return asked


def ends(deltas: Sequence[TokenDelta], number: int) -> list[TokenDelta]:
    return [delta for delta in deltas if delta.request_id == number and delta.finish_reason]


def error_of(deltas: Sequence[TokenDelta], number: int) -> PanopeError:
    (end,) = ends(deltas, number)
    assert end.finish_reason is FinishReason.ERROR
    assert end.error is not None
    return end.error


def assert_unharmed(engine: GenerationEngine, deltas: Sequence[TokenDelta], *requests: GenerationRequest) -> None:
    for asked in requests:
        assert answer(deltas, asked.id) == plain_answer(asked, 128)
    assert engine.statistics().blocks_used == 0
    asked = good(LAST)
    engine.submit(asked)
    assert answer(drain(engine), LAST) == plain_answer(asked, 128)


def ran(engine: GenerationEngine, *requests: GenerationRequest) -> list[TokenDelta]:
    for asked in requests:
        engine.submit(asked)
    return drain(engine)


@pytest.mark.parametrize("kind", [Paged, Running])
def test_a_request_that_no_step_can_run_ends_alone(kind: type[StepModel]) -> None:
    class Picky(kind):  # type: ignore[valid-type, misc]  # the base is a value
        def forward(self, batch: StepBatch) -> Array:
            logits: Array = super().forward(batch)
            if BAD in batch.tokens:
                logits[:] = np.nan
                raise RuntimeError("/secret/path")
            return logits

    engine = core(Picky(), 40)
    deltas = ran(engine, good(1), request(2, 7, 8, BAD), good(3))
    error = error_of(deltas, 2)
    assert isinstance(error, InternalError)
    assert error.reason == "step_failed"
    assert "secret" not in error.message
    assert isinstance(error.__cause__, RuntimeError), "for the log"
    assert_unharmed(engine, deltas, good(1), good(3))


@pytest.mark.parametrize("kind", [Paged, Running])
@pytest.mark.parametrize("failing_step", [1, 2, 5])
def test_a_step_that_fails_once_harms_nobody(kind: type[StepModel], failing_step: int) -> None:
    class FailsOnce(kind):  # type: ignore[valid-type, misc]  # the base is a value
        steps = 0

        def forward(self, batch: StepBatch) -> Array:
            logits: Array = super().forward(batch)
            self.steps += 1
            if self.steps == failing_step:
                raise RuntimeError
            return logits

    engine = core(FailsOnce(), 40, step_tokens=4, max_step_tokens=4)
    requests = [good(number) for number in range(4)]
    deltas = ran(engine, *requests)
    assert_unharmed(engine, deltas, *requests)
    assert engine.statistics().failed_steps == 1


def test_a_model_that_only_runs_one_sequence_a_step_serves_all(caplog: pytest.LogCaptureFixture) -> None:
    class Lonely(Paged):
        def forward(self, batch: StepBatch) -> Array:
            if len(batch.past_lengths) > 1:
                raise MemoryError
            return super().forward(batch)

    engine = core(Lonely(), 40)
    requests = [good(number) for number in range(4)]
    assert_unharmed(engine, ran(engine, *requests), *requests)
    assert "a step of 4 sequences failed" in caplog.text


def test_a_model_that_fails_every_step_ends_every_request() -> None:
    class Broken(Paged):
        def forward(self, batch: StepBatch) -> Array:
            raise RuntimeError

    engine = core(Broken(), 40)
    deltas = ran(engine, good(1), request(2, 1, 2, 3, n=3), good(3))
    assert len(ends(deltas, 2)) == 3
    assert [delta.usage is not None for delta in ends(deltas, 2)] == [False, False, True]
    assert all(delta.finish_reason is FinishReason.ERROR for delta in deltas)
    assert engine.statistics().blocks_used == 0


class Poisoned(Paged):
    """Gives no numbers for sequences that contain the bad token, and for those alone."""

    def _logits_of(self, checksums: Array) -> Array:
        logits = super()._logits_of(checksums)
        logits[self._bad] = np.nan
        return logits

    def _checksums(self, batch: StepBatch) -> Array:
        sequences = np.searchsorted(batch.token_begins, batch.sampled, side="right") - 1
        contexts = [self._context(batch, index, int(batch.total_lengths[index])) for index in sequences.tolist()]
        self._bad = np.array([BAD + 1 in context for context in contexts], bool)
        return super()._checksums(batch)


@pytest.mark.parametrize("changes", [{}, {"n": 2}, {"prompt_logprobs": 0}])
def test_logits_that_are_no_numbers_end_their_request_alone(changes: dict[str, Any]) -> None:
    engine = core(Poisoned(), 40)
    deltas = ran(engine, good(1), request(2, 7, 8, BAD, 4, 5, 6, 7, **changes), good(3))
    found = ends(deltas, 2)
    assert len(found) == changes.get("n", 1)
    assert {delta.error.reason for delta in found if delta.error} == {"logits_not_finite"}
    assert_unharmed(engine, deltas, good(1), good(3))


def test_nobody_starts_with_what_a_poisoned_sequence_left_in_the_cache() -> None:
    engine = core(Poisoned(), 40)
    ran(engine, request(1, *range(10), BAD, 1, 2))
    assert engine.statistics().blocks_cached == 0


@pytest.mark.parametrize("kind", [Paged, Running])
def test_answers_whose_block_cannot_be_copied_are_computed_again(kind: type[StepModel]) -> None:
    class CannotCopy(kind):  # type: ignore[valid-type, misc]  # the base is a value
        def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
            raise RuntimeError

    engine = core(CannotCopy(), 40)
    asked = request(1, 1, 2, 3, 4, 5, 6, n=3)
    deltas = ran(engine, asked)
    for index in range(3):
        assert answer(deltas, 1, index) == plain_answer(asked, 128)
    assert_unharmed(engine, deltas)


def test_logits_of_another_shape_end_what_ran() -> None:
    class Short(Paged):
        def forward(self, batch: StepBatch) -> Array:
            return super().forward(batch)[:, 1:]

    engine = core(Short(), 40)
    assert error_of(ran(engine, good(1)), 1).reason == "step_failed"


def test_a_text_that_cannot_be_made_ends_its_answer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(token_ids: Sequence[int]) -> TextDelta:
        raise ValueError("/secret/path")

    engine = core(Paged(), 40)
    engine.submit(request(2, 5, 6))
    (sequence,) = engine._requests[2].sequences
    monkeypatch.setattr(sequence.state.stream, "push", fail)
    deltas = ran(engine, good(1), good(3))
    assert "secret" not in error_of(deltas, 2).message
    assert_unharmed(engine, deltas, good(1), good(3))


def test_a_request_that_the_devices_memory_does_not_suffice_for_hears_that() -> None:
    class Full(Paged):
        def forward(self, batch: StepBatch) -> Array:
            if BAD in batch.tokens:
                raise OverloadedError("the memory is out", reason=OUT_OF_DEVICE_MEMORY)
            return super().forward(batch)

    engine = core(Full(), 40)
    deltas = ran(engine, good(1), request(2, 7, 8, BAD), good(3))
    error = error_of(deltas, 2)
    assert isinstance(error, OverloadedError)
    assert error.reason == OUT_OF_DEVICE_MEMORY
    assert_unharmed(engine, deltas, good(1), good(3))
