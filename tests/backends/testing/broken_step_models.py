"""Step models with one fault each, under the suite that must find it; `caught_by` names the test that does.

Pytest does not collect this file by itself: `test_step_model_contract` runs it and reads which tests failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from panope_backends.api import Backend, LoadOptions, ModelFacts, StepBatch, StepModel
from panope_backends.testing import ChecksumBackend, ChecksumStepModel, RunningChecksumStepModel, StepModelContract

Array = np.ndarray[Any, Any]


class Broken(StepModelContract):
    """Runs the suite on `Model`."""

    Model: ClassVar[type[StepModel]]
    caught_by: ClassVar[str]
    config: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def backend(self) -> Backend:
        kind = self.Model

        class FaultyBackend(ChecksumBackend):
            def load(self, model: ModelFacts, folder: Any, device: str, options: LoadOptions) -> StepModel:
                super().load(model, folder, device, options)
                return kind(model.config)

        return FaultyBackend()

    @pytest.fixture
    def model(self) -> ModelFacts:
        return ModelFacts("test/broken", "safetensors", config=self.config)

    def reference(self, tokens: list[int]) -> Array:
        right = ChecksumStepModel({})
        right.allocate(self.blocks)
        return self.whole(right, tokens, range(self.blocks))


class TestOtherWeights(Broken):
    caught_by = "test_logits_are_what_the_reference_says"

    class Model(ChecksumStepModel):
        def _logits_of(self, checksums: Array) -> Array:
            return super()._logits_of(checksums + 1)


class TestNoPlaces(Broken):
    caught_by = "test_every_token_matters_and_so_does_its_place"

    class Model(ChecksumStepModel):
        def _checksum(self, cells: Array) -> int:
            return int(cells.sum())


class TestLooksAhead(Broken):
    caught_by = "test_a_token_does_not_see_those_after_it"

    class Model(ChecksumStepModel):
        def _context(self, batch: StepBatch, sequence: int, length: int) -> Array:
            return super()._context(batch, sequence, int(batch.total_lengths[sequence]))


class TestForgetsThePast(Broken):
    caught_by = "test_a_prompt_in_chunks_is_the_prompt_in_one_step"

    class Model(ChecksumStepModel):
        def _context(self, batch: StepBatch, sequence: int, length: int) -> Array:
            return super()._context(batch, sequence, length)[batch.past_lengths[sequence] :]


class TestWritesFromTheBlocksStart(Broken):
    caught_by = "test_a_prompt_token_by_token_is_the_prompt_in_one_step"

    class Model(ChecksumStepModel):
        def _write(self, batch: StepBatch) -> None:
            size = self.cache.block_size
            aligned = batch.past_lengths // size * size
            super()._write(replace(batch, past_lengths=aligned))


class TestSortsTables(Broken):
    caught_by = "test_blocks_may_stand_in_any_order"

    class Model(ChecksumStepModel):
        def _table(self, batch: StepBatch, sequence: int) -> Array:
            return np.sort(super()._table(batch, sequence))


class TestReadsStaleCells(Broken):
    caught_by = "test_what_blocks_held_before_does_not_matter"

    class Model(ChecksumStepModel):
        def _context(self, batch: StepBatch, sequence: int, length: int) -> Array:
            size = self.cache.block_size
            return super()._context(batch, sequence, -(-length // size) * size)


class TestBlendsSequences(Broken):
    caught_by = "test_what_runs_beside_a_sequence_does_not_matter"

    class Model(ChecksumStepModel):
        def _checksums(self, batch: StepBatch) -> Array:
            return super()._checksums(batch) + len(batch.past_lengths) - 1


class TestLosesSharedBlocks(Broken):
    caught_by = "test_two_sequences_may_share_the_blocks_of_a_prefix"

    class Model(ChecksumStepModel):
        def _context(self, batch: StepBatch, sequence: int, length: int) -> Array:
            table = self._table(batch, sequence)
            shared = np.bincount(batch.block_tables)[table] > 1
            cells = np.where(shared[:, None], 0, self._cells[table])
            return cells.reshape(-1)[:length]


class TestCopiesNothing(Broken):
    caught_by = "test_a_copied_block_goes_on_by_itself"

    class Model(ChecksumStepModel):
        def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
            self.check_copies(copies)


class TestMovesInsteadOfCopying(Broken):
    caught_by = "test_a_copied_block_goes_on_by_itself"

    class Model(ChecksumStepModel):
        def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
            super().copy_blocks(copies)
            self._cells[[source for source, _ in copies]] = 0


class TestKeepsWhatItWroteFirst(Broken):
    caught_by = "test_tokens_may_be_written_over"

    class Model(ChecksumStepModel):
        def _write(self, batch: StepBatch) -> None:
            before = self._cells.copy()
            super()._write(batch)
            if batch.past_lengths[0]:
                self._cells = np.where(before, before, self._cells)


class TestRewindsWithoutAWord(Broken):
    caught_by = "test_tokens_may_be_written_over"
    config: ClassVar = {"running_state": True}

    class Model(RunningChecksumStepModel):
        def forward(self, batch: StepBatch) -> Array:
            return ChecksumStepModel.forward(self, batch)


class TestSortsRows(Broken):
    caught_by = "test_only_sampled_rows_come_back_in_the_order_asked"

    class Model(ChecksumStepModel):
        def _checksums(self, batch: StepBatch) -> Array:
            return super()._checksums(replace(batch, sampled=np.sort(batch.sampled)))


class TestGivesEveryRow(Broken):
    caught_by = "test_a_step_may_sample_nothing"

    class Model(ChecksumStepModel):
        def forward(self, batch: StepBatch) -> Array:
            return super().forward(replace(batch, sampled=np.arange(len(batch.tokens))))


class TestGivesFloat64(Broken):
    caught_by = "test_logits_are_rows_of_float32_over_the_vocabulary"

    class Model(ChecksumStepModel):
        def forward(self, batch: StepBatch) -> Array:
            return super().forward(batch).astype(np.float64)


class TestGivesColumns(Broken):
    caught_by = "test_logits_are_rows_of_float32_over_the_vocabulary"

    class Model(ChecksumStepModel):
        def forward(self, batch: StepBatch) -> Array:
            return np.asfortranarray(super().forward(batch))


class TestBelievesItsBuffer(Broken):
    caught_by = "test_the_caller_may_write_over_the_logits"

    class Model(ChecksumStepModel):
        def forward(self, batch: StepBatch) -> Array:
            leftover = 0 * self._logits[:1].sum()
            logits = super().forward(batch)
            logits += leftover
            return logits


class TestWritesIntoTheBatch(Broken):
    caught_by = "test_the_batch_is_only_read"

    class Model(ChecksumStepModel):
        def forward(self, batch: StepBatch) -> Array:
            self.check(batch)
            batch.block_tables += 0
            return super().forward(batch)


class TestWritesLate(Broken):
    caught_by = "test_a_batch_changed_afterwards_changes_nothing"

    class Model(ChecksumStepModel):
        late: StepBatch | None = None

        def _write(self, batch: StepBatch) -> None:
            if self.late is not None:
                super()._write(self.late)
            super()._write(batch)
            self.late = batch


class Unchecked(ChecksumStepModel):
    def check(self, batch: StepBatch) -> None: ...


class TestTakesAnyToken(Broken):
    caught_by = "test_a_token_out_of_the_vocabulary_is_refused"
    Model = Unchecked


class TestTakesAnyBlock(Broken):
    caught_by = "test_a_block_that_does_not_exist_is_refused"
    Model = Unchecked


class TestTakesAnyTable(Broken):
    caught_by = "test_a_table_of_another_length_is_refused"
    Model = Unchecked


class TestWritesABlockForTwo(Broken):
    caught_by = "test_a_block_that_two_sequences_would_write_is_refused"
    Model = Unchecked


class TestSamplesAnything(Broken):
    caught_by = "test_a_sampled_index_that_does_not_exist_is_refused"
    Model = Unchecked


class TestRunsWithoutTokens(Broken):
    caught_by = "test_a_step_without_tokens_is_refused"
    Model = Unchecked


class TestChecksTooLate(Broken):
    caught_by = "test_a_token_out_of_the_vocabulary_is_refused"

    class Model(ChecksumStepModel):
        def forward(self, batch: StepBatch) -> Array:
            if len(batch.past_lengths):
                self._write(batch)
            return super().forward(batch)


class TestTakesOnePositionTooFew(Broken):
    caught_by = "test_the_last_position_is_taken"
    config: ClassVar = {"max_positions": 16}

    class Model(ChecksumStepModel):
        def check(self, batch: StepBatch) -> None:
            self.max_positions -= 1
            try:
                super().check(batch)
            finally:
                self.max_positions += 1


class TestTakesAnyPosition(Broken):
    caught_by = "test_a_position_past_the_last_is_refused"

    class Model(ChecksumStepModel):
        def check(self, batch: StepBatch) -> None:
            limit, self.max_positions = self.max_positions, 1 << 30
            try:
                super().check(batch)
            finally:
                self.max_positions = limit


class TestCopiesAnything(Broken):
    caught_by = "test_copies_that_make_no_sense_are_refused"

    class Model(ChecksumStepModel):
        def check_copies(self, copies: Sequence[tuple[int, int]]) -> None: ...


class TestNeverShrinks(Broken):
    caught_by = "test_the_cache_can_grow_and_shrink"

    class Model(ChecksumStepModel):
        def allocate(self, blocks: int) -> None:
            super().allocate(max(blocks, self.blocks))


class TestRunsWithoutACache(Broken):
    caught_by = "test_without_a_cache_nothing_runs"

    class Model(ChecksumStepModel):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            self.allocate(1)


class TestDiesOfTooLargeACache(Broken):
    caught_by = "test_a_cache_that_memory_cannot_hold_is_refused_and_a_smaller_one_taken"

    class Model(ChecksumStepModel):
        def allocate(self, blocks: int) -> None:
            self.blocks, self._cells = blocks, self._empty_cells(blocks)


class TestDiesOfNoCopies(Broken):
    caught_by = "test_copying_nothing_changes_nothing"

    class Model(ChecksumStepModel):
        def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
            sources, destinations = zip(*copies, strict=True)
            self._cells[list(destinations)] = self._cells[list(sources)]


class TestIsAnotherAfterEachLoad(Broken):
    caught_by = "test_a_model_can_be_loaded_again_after_close"
    loads: ClassVar[list[StepModel]] = []

    class Model(ChecksumStepModel):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            TestIsAnotherAfterEachLoad.loads.append(self)
            self._offset = len(TestIsAnotherAfterEachLoad.loads)

        def _logits_of(self, checksums: Array) -> Array:
            return super()._logits_of(checksums + self._offset)


class TestTellsNoBlockSize(Broken):
    caught_by = "test_its_limits_are_told"

    class Model(ChecksumStepModel):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            self.cache = type(self.cache)(self.cache.block_size, 0, "")


class TestTakesAnyCachePrecision(Broken):
    caught_by = "test_a_cache_precision_that_the_device_lacks_is_refused_by_name"
    Model = ChecksumStepModel

    @pytest.fixture
    def backend(self) -> Backend:
        class UncheckedBackend(ChecksumBackend):
            def load(self, model: ModelFacts, folder: Any, device: str, options: LoadOptions) -> StepModel:
                return super().load(model, folder, device, LoadOptions(precision=options.precision))

        return UncheckedBackend()
