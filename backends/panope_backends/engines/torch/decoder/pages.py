"""Keys and values in pages, and attention over them: one pool a layer, and block tables that say what is whose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from panope_backends.api import StepBatch
from panope_backends.engines.torch.decoder import gathered, varlen
from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.engines.torch.decoder.step import Step
from panope_backends.engines.torch.devices.torch_device import HOST, PagedAttention, TorchDevice
from panope_backends.errors import PreconditionError


class Pages:
    """The cache of all layers.

    Args:
        layers: in the order of the model.
        dtype: torch's, of the numbers.
        attention: how layers without sinks and biases attend; others attend to what is gathered.
        device: where the pools lie.
    """

    def __init__(
        self,
        layers: Sequence[AttentionLayer],
        dtype: Any,
        attention: PagedAttention = HOST.attentions[0],
        device: TorchDevice = HOST,
    ) -> None:
        self._layers, self._dtype, self._device = layers, dtype, device
        self._attention = attention
        self._pools: dict[int, tuple[Any, Any]] = {}
        self._step: Step | None = None
        sizes = [layer.kv_heads * (layer.key_size + layer.value_size) for layer in layers]
        self.block_size = attention.block_size
        self.block_bytes = self.block_size * sum(sizes) * dtype.itemsize

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
        except (MemoryError, ValueError, RuntimeError):  # more than there is, more than can be counted
            self.free()
            self._device.forget_unused()
            raise PreconditionError("the cache needs more memory than there is", reason="out_of_memory") from None

    def free(self) -> None:
        """Forgets the pools."""
        self._pools = {}

    @property
    def is_stepping(self) -> bool:
        """Whether layers are of a step."""
        return self._step is not None

    def begin(self, batch: StepBatch | None) -> None:
        """Says which step the layers that follow are of; None for none."""
        self._step = None if batch is None else Step(batch, self.block_size, self._device)

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies whole blocks of all layers: from the first number of each pair to the second."""
        if not copies:
            return
        sources, destinations = (self._device.tensor(numbers) for numbers in np.array(copies, np.int64).T.copy())
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
        if self._attention.name == "varlen" and sinks is None and distance_bias is None:
            return varlen.attended(layer, query, keys, values, self._step.ragged).reshape(len(query), -1)
        attended = query.new_empty(len(query), layer.heads, layer.value_size)
        is_plain = self._attention.name == "eager"
        for part in self._step.parts:
            attended[part.rows] = gathered.attended(
                layer, query[part.rows], keys, values, part, sinks, distance_bias, is_plain=is_plain
            )
        return attended.reshape(len(query), -1)

    def _pool(self, blocks: int, layer: AttentionLayer, size: int) -> Any:
        # Zeros, so that no leftover of another use is ever taken for a number.
        return self._device.zeros((blocks, self.block_size, layer.kv_heads, size), self._dtype)


def _rows(pool: Any) -> Any:
    """A pool without its blocks, one row a cell."""
    return pool.view(-1, *pool.shape[2:])
