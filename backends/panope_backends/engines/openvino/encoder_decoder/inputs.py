"""A step as the graph of a decoder takes it.

The tokens of `n` sequences lie side by side, and attention takes them apart: `rows` says which token stands at each
place of `n` rows, padded, and `places` where each token stands there. `distances` says of each place how far it is
behind each cell of its sequence's blocks and each token of its row; what it does not see is as far as no token is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.api import StepBatch

Array = np.ndarray[Any, Any]

INPUTS = ("input_ids", "position_ids", "sampled", "rows", "places", "block_tables", "distances", "source_mask")

BLOCK_SIZE = 32

FAR = -1e9
"""Added to the score of what is not seen: finite, so that padding is computed like anything else."""


def step_inputs(batch: StepBatch, max_length: int) -> dict[str, Array]:
    """The inputs that a batch alone decides.

    Args:
        batch: of one step.
        max_length: the distance of what is not seen.
    """
    lengths, past = batch.lengths.astype(np.int64), batch.past_lengths.astype(np.int64)
    begins = batch.token_begins[:-1].astype(np.int64)
    columns = np.arange(int(lengths.max()), dtype=np.int64)
    rows = begins[:, None] + np.minimum(columns, lengths[:, None] - 1)
    sequence = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    places = sequence * len(columns) + np.arange(len(batch.tokens)) - begins[sequence]
    tables = _tables(batch, past)
    cells = np.arange(tables.shape[1] * BLOCK_SIZE, dtype=np.int64)
    to_past = past[:, None, None] + columns[None, :, None] - cells
    to_past = np.where(cells < past[:, None, None], to_past, max_length)
    to_own = np.broadcast_to(columns[:, None] - columns, (len(lengths), len(columns), len(columns)))
    distances = np.concatenate([to_past, np.where(to_own >= 0, to_own, max_length)], axis=2)
    return {
        "input_ids": batch.tokens,
        "position_ids": batch.positions,
        "sampled": batch.sampled,
        "rows": rows,
        "places": places,
        "block_tables": tables,
        "distances": np.minimum(distances, max_length),
    }


def _tables(batch: StepBatch, past: Array) -> Array:
    """The blocks of the tokens before the step, `[n, blocks]`, one at least; padded by a block that nothing sees."""
    counts = -(-past // BLOCK_SIZE)
    tables = np.zeros((len(past), max(1, int(counts.max()))), np.int64)
    for row, (begin, count) in enumerate(zip(batch.block_begins.tolist(), counts.tolist(), strict=False)):
        tables[row, :count] = batch.block_tables[begin : begin + count]
    return tables


def new_cells(batch: StepBatch) -> tuple[Array, Array]:
    """Where the keys and values of the step's tokens belong: blocks, and cells within."""
    positions = batch.positions
    first = np.repeat(batch.block_begins[:-1].astype(np.int64), batch.lengths)
    return batch.block_tables[first + positions // BLOCK_SIZE], positions % BLOCK_SIZE
