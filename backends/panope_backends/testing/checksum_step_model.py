"""A step model without weights, whose logits go wrong at the slightest mistake of its caller.

It keeps a paged cache as real decoders do. Its logits are a checksum of the tokens that it finds there and of where
they stand, so a wrong block table, a wrong length or a stale block changes them all. Everything is computed in whole
numbers: the same sequence has the same logits to the last bit, however it is split and whatever runs beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from panope_backends.api import API_VERSION, Backend, CacheSpec, LoadOptions, ModelFacts, StepBatch, StepModel
from panope_backends.engines.precision import choose_precision
from panope_backends.errors import InvalidInputError, PreconditionError

Array = np.ndarray[Any, Any]

_MODULUS = 997


class ChecksumStepModel(StepModel):
    """A cell of its cache holds a token plus one; token `t` at position `p` adds `(t + 1) * (p + 1)` to the checksum.

    Args:
        config: `vocab_size` (64), `block_size` (4) and `max_positions` (256).
    """

    precision = "fp32"

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.vocab_size = config.get("vocab_size", 64)
        self.max_positions = config.get("max_positions", 256)
        block_size = config.get("block_size", 4)
        self.cache = CacheSpec(block_size, block_size * np.dtype(np.int64).itemsize, "fp32")
        self.rows_computed = 0
        """Rows of logits since it was loaded, for tests of what a scheduler asks for."""
        self._cells = self._empty_cells(0)
        self._logits = np.empty((0, self.vocab_size), np.float32)

    def allocate(self, blocks: int) -> None:
        """Replaces the cache."""
        self.blocks, self._cells = 0, self._empty_cells(0)
        try:
            self._cells = self._empty_cells(blocks)
        except (MemoryError, ValueError):  # more than the machine has, more than can be counted
            raise PreconditionError("the cache needs more memory than there is", reason="out_of_memory") from None
        self.blocks = blocks

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step; the logits lie in one buffer that the next step writes over."""
        self.check(batch)
        self._write(batch)
        rows = len(batch.sampled)
        if len(self._logits) < rows:
            self._logits = np.empty((rows, self.vocab_size), np.float32)
        self._logits[:rows] = self._logits_of(self._checksums(batch))
        self.rows_computed += rows
        return self._logits[:rows]

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies the cells."""
        self.check_copies(copies)
        for source, destination in copies:
            self._cells[destination] = self._cells[source]

    def _empty_cells(self, blocks: int) -> Array:
        return np.zeros((blocks, self.cache.block_size), np.int64)

    def _write(self, batch: StepBatch) -> None:
        for index, past in enumerate(batch.past_lengths.tolist()):
            tokens = batch.tokens[batch.token_begins[index] : batch.token_begins[index + 1]]
            positions = np.arange(past, past + len(tokens))
            blocks = self._table(batch, index)[positions // self.cache.block_size]
            self._cells[blocks, positions % self.cache.block_size] = tokens + 1

    def _checksums(self, batch: StepBatch) -> Array:
        """int64 `[s]`, one for each sampled token."""
        sequences = np.searchsorted(batch.token_begins, batch.sampled, side="right") - 1
        lengths = batch.positions[batch.sampled] + 1
        pairs = zip(sequences.tolist(), lengths.tolist(), strict=True)
        return np.array([self._checksum(self._context(batch, *pair)) for pair in pairs], np.int64)

    def _context(self, batch: StepBatch, sequence: int, length: int) -> Array:
        """The first cells of a sequence, as its block table has them."""
        cells: Array = self._cells[self._table(batch, sequence)].reshape(-1)[:length]
        return cells

    def _table(self, batch: StepBatch, sequence: int) -> Array:
        table: Array = batch.block_tables[batch.block_begins[sequence] : batch.block_begins[sequence + 1]]
        return table

    def _checksum(self, cells: Array) -> int:
        return int(cells @ np.arange(1, len(cells) + 1))

    def _logits_of(self, checksums: Array) -> Array:
        """float32 `[s, vocab_size]`, from 0 to 10."""
        columns = np.arange(1, self.vocab_size + 1)
        sums = checksums[:, None]
        logits: Array = (((sums * 31 + columns * (sums % 89 + 7)) % _MODULUS) / np.float32(100)).astype(np.float32)
        return logits


class RunningChecksumStepModel(ChecksumStepModel):
    """The same logits from a running state: a block holds one sequence's length and checksum, and cannot rewind."""

    rewinds = False

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(dict(config) | {"block_size": config.get("max_positions", 256)})

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step, unless a sequence starts elsewhere than at 0 or at the end of its state."""
        self.check(batch)
        lengths = self._cells[batch.block_tables, 0]
        if ((batch.past_lengths != 0) & (batch.past_lengths != lengths)).any():
            raise InvalidInputError("the model cannot go back in a sequence", field="past_lengths")
        return super().forward(batch)

    def _empty_cells(self, blocks: int) -> Array:
        return np.zeros((blocks, 2), np.int64)

    def _write(self, batch: StepBatch) -> None:
        """Leaves the state to `_checksums`, which passes through every token."""

    def _checksums(self, batch: StepBatch) -> Array:
        before = np.where(batch.past_lengths, self._cells[batch.block_tables, 1], 0)
        added = (batch.tokens + 1) * (batch.positions + 1)
        running = np.concatenate([[0], np.cumsum(added)])
        sums = running[1:] + np.repeat(before - running[batch.token_begins[:-1]], batch.lengths)
        self._cells[batch.block_tables, 0] = batch.total_lengths
        self._cells[batch.block_tables, 1] = sums[batch.token_begins[1:] - 1]
        sampled: Array = sums[batch.sampled]
        return sampled


class ChecksumBackend(Backend):
    """Loads the step model of checksums, with a running state instead of pages when the config has `running_state`."""

    name = "checksum"
    api_version = API_VERSION

    def load(self, model: ModelFacts, folder: Path, device: str, options: LoadOptions) -> StepModel:
        """Takes any folder."""
        del folder
        choose_precision(options.precision, ("fp32",), f"{self.name} on {device}")
        choose_precision(options.cache_precision, ("fp32",), f"{self.name}'s cache on {device}")
        kind = RunningChecksumStepModel if model.config.get("running_state") else ChecksumStepModel
        return kind(model.config)
