"""The conformance suite of `StepModel`: what the contract says, as tests that every backend of this kind passes.

    class TestMine(StepModelContract):
        @pytest.fixture
        def backend(self):
            return MyBackend()

        @pytest.fixture
        def model(self, tmp_path):
            return write_a_small_decoder(tmp_path)  # -> ModelFacts

        def reference(self, tokens):
            return the_library_itself(tokens)  # logits of every token, float32 [len(tokens), vocab_size]

A model of two blocks or more of positions is tested best. `reference` may be left out; the suite then compares the
model with itself alone. Logits count as equal within `tolerance` of the largest logit's size.
"""
# ruff: noqa: D102 - tests read as sentences by their names

from __future__ import annotations

import numpy as np
import pytest

from panope_backends.api import (
    StepBatch,
    StepModel,
)
from panope_backends.errors import InvalidInputError
from panope_backends.testing.contracts.step_model_limits import StepModelLimits


class StepModelContract(StepModelLimits):
    """Tests of one backend with one small decoder; the fixtures `backend` and `model` must be given."""

    # --- What a step gives.

    def test_its_limits_are_told(self, decoder: StepModel) -> None:
        assert decoder.vocab_size > 1
        assert decoder.max_positions > 1
        assert decoder.cache.block_size > 0
        assert decoder.cache.block_bytes > 0
        assert decoder.cache.precision
        assert decoder.blocks == self.blocks
        assert decoder.rewinds or decoder.cache.block_size == decoder.max_positions

    def test_logits_are_rows_of_float32_over_the_vocabulary(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        logits = decoder.forward(StepBatch.of([self.part(decoder, tokens, 0, len(tokens), range(self.blocks))]))
        assert isinstance(logits, np.ndarray)
        assert logits.dtype == np.float32
        assert logits.shape == (len(tokens), decoder.vocab_size)
        assert logits.flags.c_contiguous
        assert np.isfinite(logits).all()

    def test_logits_are_what_the_reference_says(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.reference(tokens)
        if expected is None:
            pytest.skip("there is no reference to compare with")
        self.assert_same(self.whole(decoder, tokens, range(self.blocks)), expected)

    def test_every_token_matters_and_so_does_its_place(self, decoder: StepModel) -> None:
        first, second, *rest = self.text(decoder, length=min(decoder.max_positions, 5))
        second = second if second != first else (first + 1) % decoder.vocab_size
        straight = self.whole(decoder, [first, second, *rest], range(self.blocks))
        swapped = self.whole(decoder, [second, first, *rest], range(self.blocks))
        changed = self.whole(decoder, [first, first, *rest], range(self.blocks))
        assert not np.allclose(straight[-1], swapped[-1], atol=self.tolerance)
        assert not np.allclose(straight[-1], changed[-1], atol=self.tolerance)

    def test_a_token_does_not_see_those_after_it(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        half = len(tokens) // 2
        alone = self.whole(decoder, tokens[:half], range(self.blocks))
        self.assert_same(self.whole(decoder, tokens, range(self.blocks))[:half], alone)

    # --- How a sequence is split, where it lies and what runs beside it.

    def test_a_prompt_in_chunks_is_the_prompt_in_one_step(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.whole(decoder, tokens, range(self.blocks))
        size = decoder.cache.block_size
        for chunk in sorted({7, max(1, size - 1), size, size + 1} & set(range(1, len(tokens)))):
            self.assert_same(self.chunked(decoder, tokens, range(self.blocks), chunk), expected)

    def test_a_prompt_token_by_token_is_the_prompt_in_one_step(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.whole(decoder, tokens, range(self.blocks))
        self.assert_same(self.chunked(decoder, tokens, range(self.blocks), 1), expected)

    def test_blocks_may_stand_in_any_order(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.whole(decoder, tokens, range(self.blocks))
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(self.blocks).tolist()
            self.assert_same(self.chunked(decoder, tokens, order, 5), expected)

    def test_what_blocks_held_before_does_not_matter(self, decoder: StepModel) -> None:
        tokens, other = self.text(decoder), self.text(decoder, seed=1)
        expected = self.whole(decoder, tokens, range(self.blocks))
        for block in range(self.blocks):
            self.run(decoder, self.part(decoder, other, 0, min(len(other), decoder.cache.block_size), [block]))
        self.assert_same(self.chunked(decoder, tokens, range(self.blocks)[::-1], 3), expected)

    def test_what_runs_beside_a_sequence_does_not_matter(self, decoder: StepModel) -> None:
        texts = [self.text(decoder, seed) for seed in range(3)]
        share = self.blocks // len(texts)
        tables = [range(n * share, (n + 1) * share) for n in range(len(texts))]
        expected = [self.whole(decoder, text, table) for text, table in zip(texts, tables, strict=True)]
        half, most = len(texts[0]) // 2, len(texts[0])
        # A whole prompt, a second half and one last token, in every order.
        begins = (0, half, most - 1)
        for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
            for text, table, begin in zip(texts, tables, begins, strict=True):
                if begin:
                    self.run(decoder, self.part(decoder, text, 0, begin, table, sampled=()))
            found = self.run(decoder, *(self.part(decoder, texts[n], begins[n], most, tables[n]) for n in order))
            self.assert_same(found, np.concatenate([expected[n][begins[n] :] for n in order]))

    def test_two_sequences_may_share_the_blocks_of_a_prefix(self, decoder: StepModel) -> None:
        size = decoder.cache.block_size
        if size + 2 > min(decoder.max_positions, self.most_tokens):
            pytest.skip("a block holds a whole sequence")
        prefix = self.text(decoder, length=size)
        tails = [self.text(decoder, seed, length=2) for seed in (1, 2)]
        first, second = (prefix + tail for tail in tails)
        expected = [self.whole(decoder, tokens, [3, 4]) for tokens in (first, second)]
        self.run(decoder, self.part(decoder, prefix, 0, size, [0]))
        found = self.run(
            decoder,
            self.part(decoder, first, size, size + 2, [0, 1]),
            self.part(decoder, second, size, size + 2, [0, 2]),
        )
        self.assert_same(found, np.concatenate([logits[size:] for logits in expected]))

    def test_a_copied_block_goes_on_by_itself(self, decoder: StepModel) -> None:
        size = decoder.cache.block_size
        if size == 1:
            pytest.skip("a block holds one token")
        common = min(size // 2, self.most_tokens)
        start = self.text(decoder, length=common)
        tails = [self.text(decoder, seed, length=min(size - common, 3)) for seed in (1, 2)]
        first, second = (start + tail for tail in tails)
        expected = [self.whole(decoder, tokens, [5]) for tokens in (first, second)]
        self.run(decoder, self.part(decoder, start, 0, common, [0]))
        decoder.copy_blocks([(0, 1), (0, 2)])
        found = self.run(
            decoder,
            self.part(decoder, first, common, len(first), [1]),
            self.part(decoder, second, common, len(second), [2]),
        )
        self.assert_same(found, np.concatenate([logits[common:] for logits in expected]))
        # The original was neither changed nor tied to its copies.
        self.assert_same(self.run(decoder, self.part(decoder, first, common, len(first), [0])), expected[0][common:])

    def test_copying_nothing_changes_nothing(self, decoder: StepModel) -> None:
        decoder.copy_blocks([])

    def test_tokens_may_be_written_over(self, decoder: StepModel) -> None:
        tokens, other = self.text(decoder), self.text(decoder, seed=1)
        half = len(tokens) // 2
        table = range(self.blocks)
        expected = self.whole(decoder, tokens, table)
        self.whole(decoder, tokens[:half] + other[half:], table)
        if decoder.rewinds:
            self.assert_same(self.chunked(decoder, tokens, table, 4, begin=half), expected[half:])
        else:
            with pytest.raises(InvalidInputError) as refusal:
                self.run(decoder, self.part(decoder, tokens, half, len(tokens), table))
            assert refusal.value.field == "past_lengths"

    # --- Which rows come back.

    def test_only_sampled_rows_come_back_in_the_order_asked(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.whole(decoder, tokens, range(self.blocks))
        last = len(tokens) - 1
        for rows in ([last], [0], [last, 0], [last // 2, last, 0]):
            found = self.run(decoder, self.part(decoder, tokens, 0, len(tokens), range(self.blocks), rows))
            self.assert_same(found, expected[rows])

    def test_a_step_may_sample_nothing(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.whole(decoder, tokens, range(self.blocks))
        half = len(tokens) // 2
        table = range(self.blocks)[::-1]
        nothing = self.run(decoder, self.part(decoder, tokens, 0, half, table, sampled=()))
        assert nothing.shape == (0, decoder.vocab_size)
        self.assert_same(self.run(decoder, self.part(decoder, tokens, half, len(tokens), table)), expected[half:])

    # --- Ownership.

    def test_the_caller_may_write_over_the_logits(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        expected = self.whole(decoder, tokens, range(self.blocks))
        for begin, end in ((0, len(tokens) - 1), (len(tokens) - 1, len(tokens))):
            logits = decoder.forward(StepBatch.of([self.part(decoder, tokens, begin, end, range(self.blocks))]))
            self.assert_same(logits.copy(), expected[begin:end])
            logits[...] = np.nan

    def test_the_batch_is_only_read(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        batch = StepBatch.of([self.part(decoder, tokens, 0, len(tokens), range(self.blocks))])
        arrays = (batch.tokens, batch.token_begins, batch.past_lengths, batch.block_tables, batch.block_begins)
        kept = [array.copy() for array in arrays]
        for array in (*arrays, batch.sampled):
            array.flags.writeable = False
        expected = decoder.forward(batch).copy()
        self.assert_same(decoder.forward(batch).copy(), expected)
        for array, before in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(array, before)

    def test_a_batch_changed_afterwards_changes_nothing(self, decoder: StepModel) -> None:
        tokens = self.text(decoder)
        table = range(self.blocks)
        expected = self.whole(decoder, tokens, table)
        batch = StepBatch.of([self.part(decoder, tokens, 0, len(tokens) - 1, table, sampled=())])
        decoder.forward(batch)
        for array in (batch.tokens, batch.past_lengths, batch.block_tables):
            array[...] = 0
        self.assert_same(
            self.run(decoder, self.part(decoder, tokens, len(tokens) - 1, len(tokens), table)), expected[-1:]
        )
