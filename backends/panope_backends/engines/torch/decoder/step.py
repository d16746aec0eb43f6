"""One step's places: where its tokens are written, and what each looks at; the same for all layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from panope_backends.api import StepBatch
from panope_backends.engines.torch.devices.torch_device import TorchDevice


@dataclass(frozen=True)
class Part:
    """The sequences of a step that attend together: one with several new tokens, or all those with a single one.

    Attributes:
        rows: of the step's tokens, `[sequences, new tokens]`.
        blocks: block tables, `[sequences, blocks]`; what pads a shorter one is never looked at.
        positions: of the new tokens, `[sequences, new tokens]`.
        first_position: the smallest of them.
        biases: what tables of biases add to scores, by table: layers that share a table share these.
    """

    rows: Any
    blocks: Any
    positions: Any
    first_position: int
    biases: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ragged:
    """All sequences of a step side by side, as kernels take them that read pages where they lie.

    Attributes:
        begins: int32 `[sequences + 1]`, of the new tokens.
        lengths: int32 `[sequences]`, tokens in all.
        blocks: int32 `[sequences, blocks]`, block tables; what pads a shorter one is never looked at.
        most_new: tokens of a sequence.
        most: tokens of a sequence in all.
    """

    begins: Any
    lengths: Any
    blocks: Any
    most_new: int
    most: int


class Step:
    """A step on a device.

    Args:
        batch: checked.
        block_size: of the pages.
        device: where they lie.
    """

    def __init__(self, batch: StepBatch, block_size: int, device: TorchDevice) -> None:
        self._batch, self._device, self._block_size = batch, device, block_size
        self._tables = np.split(batch.block_tables, batch.block_begins[1:-1])

    @cached_property
    def cells(self) -> Any:
        """Where each token's keys and values are written, counted over all blocks, `[tokens]`."""
        batch = self._batch
        of_sequences = zip(self._tables, batch.past_lengths, batch.lengths, strict=True)
        return self._device.tensor(np.concatenate([self._cells(*each) for each in of_sequences]))

    @cached_property
    def parts(self) -> Sequence[Part]:
        """The step for attention to keys and values that are gathered."""
        lengths = self._batch.lengths
        single = np.flatnonzero(lengths == 1)
        parts = [self._part([number]) for number in np.flatnonzero(lengths > 1).tolist()]
        return [*parts, self._part(single.tolist())] if single.size else parts

    @cached_property
    def ragged(self) -> Ragged:
        """The step for attention to pages where they lie."""
        batch, device = self._batch, self._device
        return Ragged(
            device.tensor(batch.token_begins),
            device.tensor(batch.total_lengths),
            device.tensor(self._padded(range(len(self._tables)), np.int32)),
            int(batch.lengths.max()),
            int(batch.total_lengths.max()),
        )

    def _cells(self, table: Any, past: int, length: int) -> Any:
        positions, size = np.arange(past, past + length), self._block_size
        return table[positions // size].astype(np.int64) * size + positions % size

    def _part(self, numbers: Sequence[int]) -> Part:
        """The sequences of these numbers, which have equally many new tokens."""
        batch, device = self._batch, self._device
        begins, length = batch.token_begins[numbers].astype(np.int64), int(batch.lengths[numbers[0]])
        rows = begins[:, None] + np.arange(length)
        positions = batch.positions[rows]
        blocks = device.tensor(self._padded(numbers, np.int64))
        return Part(device.tensor(rows), blocks, device.tensor(positions), int(positions.min()))

    def _padded(self, numbers: Sequence[int], dtype: Any) -> Any:
        """The block tables of some sequences, one a row."""
        padded = np.zeros((len(numbers), max(len(self._tables[number]) for number in numbers)), dtype)
        for row, number in enumerate(numbers):
            padded[row, : len(self._tables[number])] = self._tables[number]
        return padded
