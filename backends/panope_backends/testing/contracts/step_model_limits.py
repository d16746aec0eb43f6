"""The tests of what step models refuse, and of their cache's life."""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from panope_backends.api import (
    Backend,
    Device,
    LoadedModel,
    LoadOptions,
    ModelFacts,
    StepBatch,
    StepModel,
    StepSequence,
)
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.testing.contracts.step_model_harness import StepModelHarness


class StepModelLimits(StepModelHarness):
    """A part of `StepModelContract`."""

    # --- What is refused.

    def refused(self, decoder: StepModel, field: str, *parts: StepSequence) -> None:
        """Asserts that a step is refused for `field` and leaves the cache as it was."""
        tokens = self.text(decoder)
        size = len(tokens) - 1
        expected = self.whole(decoder, tokens, range(self.blocks))[-1:]
        self.run(decoder, self.part(decoder, tokens, 0, size, range(self.blocks), sampled=()))
        with pytest.raises(InvalidInputError) as refusal:
            decoder.forward(StepBatch.of(parts))
        assert refusal.value.field == field
        self.assert_same(self.run(decoder, self.part(decoder, tokens, size, size + 1, range(self.blocks))), expected)

    @pytest.mark.parametrize("excess", [-1, 0, 1 << 40])
    def test_a_token_out_of_the_vocabulary_is_refused(self, decoder: StepModel, excess: int) -> None:
        wrong = excess if excess < 0 else decoder.vocab_size + excess
        self.refused(decoder, "tokens", StepSequence([0, 1], 0, [0]), StepSequence([wrong], 0, [1]))

    def test_a_position_past_the_last_is_refused(self, decoder: StepModel) -> None:
        table = [0] * -(-(decoder.max_positions + 1) // decoder.cache.block_size)
        self.refused(decoder, "past_lengths", StepSequence([0], decoder.max_positions, table))
        self.refused(decoder, "past_lengths", StepSequence([0], -1, [0]))

    def test_the_last_position_is_taken(self, decoder: StepModel) -> None:
        if decoder.max_positions > min(self.most_tokens, self.blocks * decoder.cache.block_size):
            pytest.skip("the model has more positions than a test runs")
        tokens = self.text(decoder, length=decoder.max_positions)
        assert np.isfinite(self.chunked(decoder, tokens, range(self.blocks), decoder.max_positions - 1)).all()

    @pytest.mark.parametrize("excess", [-1, 0, 1 << 20])
    def test_a_block_that_does_not_exist_is_refused(self, decoder: StepModel, excess: int) -> None:
        wrong = excess if excess < 0 else self.blocks + excess
        self.refused(decoder, "block_tables", StepSequence([0], 0, [wrong]))

    def test_a_table_of_another_length_is_refused(self, decoder: StepModel) -> None:
        self.refused(decoder, "block_tables", StepSequence([0], 0, []))
        self.refused(decoder, "block_tables", StepSequence([0], 0, [0, 1]))

    def test_a_block_that_two_sequences_would_write_is_refused(self, decoder: StepModel) -> None:
        self.refused(decoder, "block_tables", StepSequence([0], 0, [0]), StepSequence([1], 0, [0]))

    def test_a_sampled_index_that_does_not_exist_is_refused(self, decoder: StepModel) -> None:
        self.refused(decoder, "sampled", StepSequence([0, 1], 0, [0], sampled=(2,)))

    def test_a_step_without_tokens_is_refused(self, decoder: StepModel) -> None:
        self.refused(decoder, "token_begins")
        self.refused(decoder, "token_begins", StepSequence([0], 0, [0]), StepSequence([], 1, [1], sampled=()))

    @pytest.mark.parametrize("copies", [[(0, -1)], [(1 << 20, 0)], [(0, 1), (2, 1)], [(0, 1), (1, 2)]])
    def test_copies_that_make_no_sense_are_refused(self, decoder: StepModel, copies: list[tuple[int, int]]) -> None:
        with pytest.raises(InvalidInputError) as refusal:
            decoder.copy_blocks(copies)
        assert refusal.value.field == "copies"

    def test_without_a_cache_nothing_runs(self, loaded: LoadedModel) -> None:
        assert isinstance(loaded, StepModel)
        assert loaded.blocks == 0
        with pytest.raises(InvalidInputError):
            loaded.forward(StepBatch.of([StepSequence([0], 0, [0])]))

    def test_the_cache_can_grow_and_shrink(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.whole(decoder, tokens, range(self.blocks))
        for blocks in (self.blocks + 9, len(self.block_table(decoder, len(tokens), range(self.blocks)))):
            decoder.allocate(blocks)
            assert decoder.blocks == blocks
            self.assert_same(self.whole(decoder, tokens, range(blocks)[::-1]), expected)
            self.refused_block(decoder, blocks)

    def refused_block(self, decoder: StepModel, block: int) -> None:
        """Asserts that a block is none of the cache's."""
        with pytest.raises(InvalidInputError):
            decoder.forward(StepBatch.of([StepSequence([0], 0, [block])]))

    def test_a_cache_that_memory_cannot_hold_is_refused_and_a_smaller_one_taken(self, decoder: StepModel) -> None:
        with pytest.raises(PreconditionError):
            decoder.allocate((1 << 50) // decoder.cache.block_bytes)
        assert decoder.blocks == 0
        decoder.allocate(2)
        self.run(decoder, StepSequence([0], 0, [1]))

    def test_a_cache_precision_that_the_device_lacks_is_refused_by_name(
        self, backend: Backend, model: ModelFacts, folder: Path, device: Device
    ) -> None:
        with pytest.raises(PreconditionError) as refusal:
            backend.load(model, folder, device.name, LoadOptions(cache_precision="fp7"))
        assert "fp7" in refusal.value.message

    def test_a_model_can_be_loaded_again_after_close(
        self, backend: Backend, model: ModelFacts, folder: Path, device: Device
    ) -> None:
        found = []
        for _ in range(2):
            decoder = backend.load(model, folder, device.name, LoadOptions())
            assert isinstance(decoder, StepModel)
            self.make_ready(decoder, self.blocks)
            found.append(self.whole(decoder, self.text(decoder), range(self.blocks)))
            decoder.close()
        self.assert_same(found[0], found[1])
