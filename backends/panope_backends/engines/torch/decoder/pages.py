"""Keys and values in pages, and attention over them: one pool a layer, and block tables that say what is whose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from panope_backends.api import StepBatch
from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.errors import PreconditionError

BLOCK_SIZE = 32


@dataclass(frozen=True)
class _Part:
    """The sequences of a step that attend together: one with several new tokens, or all those with a single one.

    Attributes:
        rows: of the step's tokens, `[sequences, new tokens]`.
        blocks: block tables, `[sequences, blocks]`; what pads a shorter one is never looked at.
        positions: of the new tokens, `[sequences, new tokens]`.
        biases: what tables of biases add to scores, by table: layers that share a table share these.
    """

    rows: Any
    blocks: Any
    positions: Any
    biases: dict[int, Any] = field(default_factory=dict)


class Step:
    """Where the tokens of one step are written, and what each looks at; the same for all layers.

    Args:
        batch: checked.
    """

    def __init__(self, batch: StepBatch) -> None:
        tables = np.split(batch.block_tables, batch.block_begins[1:-1])
        self.cells = torch.from_numpy(
            np.concatenate([_cells(*part) for part in zip(tables, batch.past_lengths, batch.lengths, strict=True)])
        )
        single = np.flatnonzero(batch.lengths == 1)
        self.parts = [_part(batch, tables, [number]) for number in np.flatnonzero(batch.lengths > 1).tolist()]
        if single.size:
            self.parts.append(_part(batch, tables, single.tolist()))


class Pages:
    """The cache of all layers.

    Args:
        layers: in the order of the model.
        dtype: torch's, of the numbers.
    """

    def __init__(self, layers: Sequence[AttentionLayer], dtype: Any) -> None:
        self._layers, self._dtype = layers, dtype
        self._pools: dict[int, tuple[Any, Any]] = {}
        self._step: Step | None = None
        sizes = [layer.kv_heads * (layer.key_size + layer.value_size) for layer in layers]
        self.block_bytes = BLOCK_SIZE * sum(sizes) * dtype.itemsize

    def allocate(self, blocks: int) -> None:
        """Replaces the pools by empty ones.

        Raises:
            PreconditionError: there is not so much memory, and now there is no pool.
        """
        self.free()
        try:
            self._pools = {
                layer.index: (self._pool(blocks, layer, layer.key_size), self._pool(blocks, layer, layer.value_size))
                for layer in self._layers
            }
        except (MemoryError, ValueError):  # more than there is, more than can be counted
            raise PreconditionError("the cache needs more memory than there is", reason="out_of_memory") from None

    def free(self) -> None:
        """Forgets the pools."""
        self._pools = {}

    @property
    def is_stepping(self) -> bool:
        """Whether layers are of a step."""
        return self._step is not None

    def begin(self, step: Step | None) -> None:
        """Says which step the layers that follow are of; None for none."""
        self._step = step

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies whole blocks of all layers: from the first number of each pair to the second."""
        if not copies:
            return
        sources, destinations = map(list, zip(*copies, strict=True))
        with torch.inference_mode():
            for pools in self._pools.values():
                for pool in pools:
                    pool[destinations] = pool[sources]

    def attend(
        self, layer: AttentionLayer, query: Any, key: Any, value: Any, sinks: Any, distance_bias: Any = None
    ) -> Any:
        """One layer: writes the step's keys and values, and attends over what each sequence has.

        Args:
            layer: which one.
            query: `[tokens, heads * key_size]`.
            key: `[tokens, kv_heads * key_size]`.
            value: `[tokens, kv_heads * value_size]`.
            sinks: one a head, or None.
            distance_bias: what is added to scores, `[heads, distances]` from a distance of 0 on, or None.
        """
        assert self._step is not None
        keys, values = self._pools[layer.index]
        _rows(keys)[self._step.cells] = key.reshape(-1, layer.kv_heads, layer.key_size)
        _rows(values)[self._step.cells] = value.reshape(-1, layer.kv_heads, layer.value_size)
        query = query.reshape(-1, layer.heads, layer.key_size)
        attended = query.new_empty(len(query), layer.heads, layer.value_size)
        for part in self._step.parts:
            attended[part.rows] = _attended(layer, query[part.rows], keys, values, sinks, part, distance_bias)
        return attended.reshape(len(query), -1)

    def _pool(self, blocks: int, layer: AttentionLayer, size: int) -> Any:
        # Zeros, so that no leftover of the process is ever taken for a number; NumPy's cost nothing until touched.
        shape = (blocks, BLOCK_SIZE, layer.kv_heads, size)
        memory = np.zeros(math.prod(shape) * self._dtype.itemsize, np.uint8)
        return torch.from_numpy(memory).view(self._dtype).view(shape)


def _cells(table: Any, past: int, length: int) -> Any:
    positions = np.arange(past, past + length)
    return table[positions // BLOCK_SIZE].astype(np.int64) * BLOCK_SIZE + positions % BLOCK_SIZE


def _rows(pool: Any) -> Any:
    """A pool without its blocks, one row a cell."""
    return pool.view(-1, *pool.shape[2:])


def _part(batch: StepBatch, tables: Sequence[Any], numbers: Sequence[int]) -> _Part:
    """The sequences of these numbers, which have equally many new tokens."""
    begins, length = batch.token_begins[numbers].astype(np.int64), int(batch.lengths[numbers[0]])
    rows = begins[:, None] + np.arange(length)
    blocks = np.zeros((len(numbers), max(len(tables[number]) for number in numbers)), np.int64)
    for row, number in enumerate(numbers):
        blocks[row, : len(tables[number])] = tables[number]
    return _Part(torch.from_numpy(rows), torch.from_numpy(blocks), torch.from_numpy(batch.positions[rows]))


def _attended(
    layer: AttentionLayer, query: Any, keys: Any, values: Any, sinks: Any, part: _Part, distance_bias: Any
) -> Any:
    """`[sequences, new tokens, heads, value_size]` of queries `[sequences, new tokens, heads, key_size]`."""
    first = 0
    if layer.window:  # blocks that all windows have left behind
        first = max(0, int(part.positions.min()) + 1 - layer.window) // BLOCK_SIZE
    blocks = part.blocks[:, first:]
    key, value = (pool[blocks].flatten(1, 2).transpose(1, 2) for pool in (keys, values))
    seen_at = torch.arange(first * BLOCK_SIZE, first * BLOCK_SIZE + key.shape[2])
    mask = seen_at <= part.positions[..., None]
    if layer.window:
        mask &= seen_at > part.positions[..., None] - layer.window
    mask = mask[:, None]
    if distance_bias is not None:
        mask = _biased(distance_bias, part, seen_at, mask)
    if sinks is not None:
        key, value, mask = _with_sinks(query, key, value, sinks, mask)
    attended = scaled_dot_product_attention(
        query.transpose(1, 2), key, value, mask, scale=layer.scale, enable_gqa=layer.heads != layer.kv_heads
    )
    return attended.transpose(1, 2)


def _biased(distance_bias: Any, part: _Part, seen_at: Any, mask: Any) -> Any:
    """What is added to scores, `[sequences, heads, new tokens, cells]`."""
    if (made := part.biases.get(id(distance_bias))) is None:
        distances = (part.positions[..., None] - seen_at).clamp(0, distance_bias.shape[1] - 1)
        made = distance_bias[:, distances].transpose(0, 1).masked_fill(~mask, -math.inf)
        part.biases[id(distance_bias)] = made
    return made


def _with_sinks(query: Any, key: Any, value: Any, sinks: Any, mask: Any) -> tuple[Any, Any, Any]:
    """Adds a cell that every token sees: a key of zeros whose score is the head's sink, and a value of zeros."""
    sequences, tokens, heads, _ = query.shape
    scores = query.new_zeros(sequences, heads, tokens, mask.shape[-1] + 1)
    scores[..., :-1].masked_fill_(~mask, -math.inf)
    scores[..., -1] = sinks.to(query.dtype)[:, None]
    nothing = (0, 0, 0, 1)
    pad = torch.nn.functional.pad
    return pad(key, nothing), pad(value, nothing), scores
