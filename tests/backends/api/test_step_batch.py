"""A step's batch: what its arrays hold, and what it may not hold."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from panope_backends.api import StepBatch, StepSequence
from panope_backends.errors import InvalidInputError
from panope_backends.testing import ChecksumStepModel

PROMPT = StepSequence([5, 6, 7, 8, 9], 0, [2, 0])
CHUNK = StepSequence([1, 2], 4, [3, 1], sampled=())
DECODE = StepSequence([4], 8, [5, 6, 7], sampled=[0])


@pytest.fixture
def model() -> ChecksumStepModel:
    model = ChecksumStepModel({"block_size": 4})
    model.allocate(9)
    return model


def arrays(batch: StepBatch) -> dict[str, list[int]]:
    return {name: value.tolist() for name, value in vars(batch).items() if value is not None}


def test_sequences_are_joined_without_padding() -> None:
    assert arrays(StepBatch.of([PROMPT, CHUNK, DECODE])) == {
        "tokens": [5, 6, 7, 8, 9, 1, 2, 4],
        "token_begins": [0, 5, 7, 8],
        "past_lengths": [0, 4, 8],
        "block_tables": [2, 0, 3, 1, 5, 6, 7],
        "block_begins": [0, 2, 4, 7],
        "sampled": [4, 7],
    }
    sources = StepBatch.of(
        [replace(part, source=source) for source, part in enumerate([PROMPT, CHUNK, DECODE])]
    ).sources
    assert sources is not None
    assert (sources.tolist(), sources.dtype) == ([0, 1, 2], np.int32)


def test_positions_and_lengths_follow_from_the_rest() -> None:
    batch = StepBatch.of([PROMPT, CHUNK, DECODE])
    assert batch.lengths.tolist() == [5, 2, 1]
    assert batch.total_lengths.tolist() == [5, 6, 9]
    assert batch.positions.tolist() == [0, 1, 2, 3, 4, 4, 5, 8]


def test_arrays_have_the_types_that_engines_take() -> None:
    batch = StepBatch.of([PROMPT, DECODE])
    for name in ("tokens", "sampled", "positions"):
        assert getattr(batch, name).dtype == np.int64
    for name in ("token_begins", "past_lengths", "block_tables", "block_begins", "lengths", "total_lengths"):
        assert getattr(batch, name).dtype == np.int32


def test_parts_may_be_arrays() -> None:
    parts = StepSequence(np.array([5, 6, 7, 8, 9], np.int32), 0, np.array([2, 0], np.int64), sampled=range(5))
    assert arrays(StepBatch.of([parts])) == arrays(StepBatch.of([StepSequence(*vars(PROMPT).values())])) | {
        "sampled": [0, 1, 2, 3, 4]
    }


@pytest.mark.parametrize(("index", "row"), [(0, 5), (1, 6), (-1, 6), (-2, 5)])
def test_sampled_indices_count_from_both_ends(index: int, row: int) -> None:
    chunk = StepSequence(CHUNK.tokens, CHUNK.past_length, CHUNK.blocks, sampled=[index])
    assert StepBatch.of([PROMPT, chunk]).sampled.tolist() == [4, row]


@pytest.mark.parametrize("index", [2, -3])
def test_a_sampled_index_past_its_sequence_is_not_its_neighbours(model: ChecksumStepModel, index: int) -> None:
    chunk = StepSequence(CHUNK.tokens, CHUNK.past_length, CHUNK.blocks, sampled=[index])
    with pytest.raises(InvalidInputError) as refusal:
        model.check(StepBatch.of([PROMPT, chunk, DECODE]))
    assert refusal.value.field == "sampled"


def test_a_right_batch_is_taken(model: ChecksumStepModel) -> None:
    model.check(StepBatch.of([PROMPT, CHUNK, DECODE]))


def test_blocks_that_are_only_read_may_be_shared(model: ChecksumStepModel) -> None:
    model.check(StepBatch.of([StepSequence([1], 4, [0, 1]), StepSequence([1], 4, [0, 2])]))


@pytest.mark.parametrize(
    ("first", "second"),
    [([0, 1], [2, 1]), ([0, 1], [1, 2]), ([0, 0], [1, 2])],
    ids=["written twice", "written and read", "written and read by one"],
)
def test_a_block_that_is_written_may_not_be_shared(
    model: ChecksumStepModel, first: list[int], second: list[int]
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        model.check(StepBatch.of([StepSequence([1], 4, first), StepSequence([1], 4, second)]))
    assert refusal.value.field == "block_tables"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token_begins", [0, 4]),
        ("token_begins", [1, 5]),
        ("token_begins", [0, 2, 5]),
        ("token_begins", []),
        ("block_begins", [0, 1]),
        ("block_begins", [0, 1, 2]),
    ],
)
def test_bounds_that_do_not_divide_are_refused(model: ChecksumStepModel, field: str, value: Any) -> None:
    fields = vars(StepBatch.of([PROMPT])) | {field: np.array(value, np.int32)}
    with pytest.raises(InvalidInputError) as refusal:
        model.check(StepBatch(**fields))
    assert refusal.value.field == field
