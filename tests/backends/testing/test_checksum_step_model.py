"""The toy step model is right under any schedule, and tells what a step has cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from panope_backends.api import StepBatch, StepSequence
from panope_backends.testing import ChecksumStepModel

BLOCK_SIZE, BLOCKS = 4, 12


def model_of_blocks() -> ChecksumStepModel:
    model = ChecksumStepModel({"block_size": BLOCK_SIZE})
    model.allocate(BLOCKS)
    return model


def right_logits(tokens: list[int]) -> np.ndarray[Any, Any]:
    """The last token's logits, from the definition."""
    model = ChecksumStepModel({})
    return model._logits_of(np.array([sum((token + 1) * (place + 1) for place, token in enumerate(tokens))]))[0]


@dataclass
class Sequence:
    tokens: list[int]
    done: int = 0
    blocks: list[int] = field(default_factory=list)


@settings(max_examples=60)
@given(data=st.data())
def test_logits_are_right_under_any_schedule(data: st.DataObject) -> None:
    """Chunks, decodes and pre-emption by chance, over blocks that others have used."""
    model, free = model_of_blocks(), list(range(BLOCKS))
    token = st.integers(0, model.vocab_size - 1)
    sequences = [
        Sequence(tokens) for tokens in data.draw(st.lists(st.lists(token, min_size=1, max_size=9), max_size=3))
    ]
    for _ in range(data.draw(st.integers(1, 12))):
        parts, scheduled = [], []
        for sequence in sequences:
            if data.draw(st.booleans()):  # pre-empted: all its blocks go back, in any order
                free = data.draw(st.permutations(free + sequence.blocks))
                sequence.blocks, sequence.done = [], 0
            end = data.draw(st.integers(sequence.done + 1, len(sequence.tokens)))
            needed = -(-end // BLOCK_SIZE) - len(sequence.blocks)
            if needed > len(free):
                continue
            sequence.blocks += [free.pop() for _ in range(needed)]
            parts.append(StepSequence(sequence.tokens[sequence.done : end], sequence.done, sequence.blocks))
            scheduled.append((sequence, end))
        if not parts:
            continue
        logits = model.forward(StepBatch.of(parts))
        for (sequence, end), row in zip(scheduled, logits, strict=True):
            np.testing.assert_array_equal(row, right_logits(sequence.tokens[:end]))
            sequence.done = end
            if end == len(sequence.tokens):
                sequence.tokens = [*sequence.tokens, int(row.argmax())]


def test_tokens_that_are_not_sampled_cost_no_row() -> None:
    model = model_of_blocks()
    model.forward(StepBatch.of([StepSequence([1, 2, 3], 0, [0], sampled=()), StepSequence([1, 2], 0, [1])]))
    assert model.rows_computed == 1


def test_the_next_step_writes_over_the_logits_of_the_last() -> None:
    model = model_of_blocks()
    first = model.forward(StepBatch.of([StepSequence([1], 0, [0])]))
    kept = first.copy()
    model.forward(StepBatch.of([StepSequence([2], 0, [0])]))
    assert (first != kept).any()
