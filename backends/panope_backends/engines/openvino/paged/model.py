"""The step model over a paged graph of OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panope_backends.api import StepBatch, StepModel
from panope_backends.engines.lazy_memory import lazy_zeros
from panope_backends.engines.openvino.paged.facts import PagedFacts
from panope_backends.engines.openvino.paged.geometry import CacheTensor, cache_spec, cache_tensors
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]


class OpenVinoStepModel(StepModel):
    """A compiled graph with one inference request, which keeps the cache's tensors.

    Args:
        openvino: the module.
        compiled: the graph with paged attention, compiled.
        facts: what it does not tell.
        precision: that it computes in.
        cache_precision: of its cache.
    """

    def __init__(
        self, openvino: Any, compiled: Any, facts: PagedFacts, *, precision: str, cache_precision: str
    ) -> None:
        self.precision = precision
        self.vocab_size, self.max_positions = facts.vocab_size, facts.max_positions
        self._openvino = openvino
        self._tensors = cache_tensors(compiled)
        self.cache = cache_spec(self._tensors, cache_precision)
        self._request = compiled.create_infer_request()
        # Its parts that no step gives: a graph whose layers all have windows may do without.
        self._taken = {port.get_any_name() for port in compiled.inputs}
        self._blocks: list[Array] = []

    def allocate(self, blocks: int) -> None:
        """Replaces the cache; the system gives its memory when a block is first written."""
        self._free()
        try:
            kept = [_zeros(self._openvino, tensor, blocks) for tensor in self._tensors]
        except (MemoryError, ValueError, RuntimeError):  # more than there is, more than can be counted
            raise PreconditionError("the cache needs more memory than there is", reason="out_of_memory") from None
        for tensor, (array, shared) in zip(self._tensors, kept, strict=True):
            self._request.set_tensor(tensor.name, shared)
            self._blocks.append(array)
        self.blocks = blocks

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step; the logits lie in OpenVINO's own buffer."""
        self.check(batch)
        for name, values in _inputs(batch).items():
            if name in self._taken:
                self._request.set_tensor(name, self._openvino.Tensor(values))
        self._request.infer()
        logits: Array = self._request.get_output_tensor(0).data
        return logits

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies keys and values of all layers, the scales of a quantized cache with them."""
        self.check_copies(copies)
        if not copies:
            return
        sources, destinations = (list(numbers) for numbers in zip(*copies, strict=True))
        for array in self._blocks:
            array[destinations] = array[sources]

    def close(self) -> None:
        """Frees the cache and the weights."""
        self._free()
        del self._request

    def _free(self) -> None:
        self.blocks = 0
        for tensor in self._tensors:
            empty = self._openvino.Tensor(tensor.kind, self._openvino.Shape([0, *tensor.block_shape]))
            self._request.set_tensor(tensor.name, empty)
        self._blocks = []


def _zeros(openvino: Any, tensor: CacheTensor, blocks: int) -> tuple[Array, Any]:
    """The memory as bytes, `[blocks, block_bytes]`, and as OpenVINO's tensor over the same memory.

    Zeros, so that no leftover of the process is ever taken for a number; they cost nothing until they are touched.
    """
    size = blocks * tensor.block_bytes
    array = lazy_zeros(size).reshape(blocks, tensor.block_bytes)
    return array, openvino.Tensor(array, openvino.Shape([blocks, *tensor.block_shape]), tensor.kind)


def _inputs(batch: StepBatch) -> dict[str, Array]:
    """A step by the names of the graph's inputs."""
    return {
        "input_ids": batch.tokens,
        "position_ids": batch.positions,
        "sampled": batch.sampled,
        "past_lens": batch.past_lengths,
        "subsequence_begins": batch.token_begins,
        "block_indices": batch.block_tables,
        "block_indices_begins": batch.block_begins,
        "max_context_len": np.array(batch.total_lengths.max(), np.int32),
    }
