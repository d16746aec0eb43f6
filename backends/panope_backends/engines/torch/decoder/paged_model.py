"""The step model of a decoder in PyTorch whose every layer attends over pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from panope_backends.api import CacheSpec, StepBatch, StepModel
from panope_backends.engines.torch.decoder.attention import AttentionLayer, attend_by
from panope_backends.engines.torch.decoder.loading import vocab_size_of
from panope_backends.engines.torch.decoder.pages import BLOCK_SIZE, Pages, Step
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]


class TorchStepModel(StepModel):
    """A module of transformers over pages; texts lie side by side, without padding.

    Args:
        module: loaded with this package's attention.
        layers: its attention, from `paged_layers`.
        precision: of its weights, and of the cache.
        max_positions: of one sequence.
    """

    def __init__(self, module: Any, layers: Sequence[AttentionLayer], precision: str, max_positions: int) -> None:
        self.precision, self.max_positions = precision, max_positions
        self.vocab_size = vocab_size_of(module)
        self._module = module
        self._pages = Pages(layers, module.dtype)
        self.cache = CacheSpec(BLOCK_SIZE, self._pages.block_bytes, precision)
        attend_by(module, self._pages.attend)

    def allocate(self, blocks: int) -> None:
        """Replaces the pools."""
        self.blocks = 0
        self._pages.allocate(blocks)
        self.blocks = blocks

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step; a tensor of its own holds the logits."""
        self.check(batch)
        self._pages.begin(Step(batch))
        with torch.inference_mode():
            made = self._module(
                input_ids=torch.tensor(batch.tokens)[None],
                position_ids=torch.from_numpy(batch.positions)[None],
                use_cache=False,
                logits_to_keep=torch.tensor(batch.sampled),
            )
            logits: Array = made.logits[0].float().contiguous().numpy()
        return logits

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies keys and values of all layers."""
        self.check_copies(copies)
        self._pages.copy_blocks(copies)

    def close(self) -> None:
        """Frees the weights and the cache."""
        self._pages.free()
        del self._module


def paged_layers(module: Any) -> list[AttentionLayer]:
    """The attention of a module that was loaded with this package's, seen by running one token.

    Returns:
        Empty where it does not compute every layer.
    """
    found: dict[int, AttentionLayer] = {}

    def look(layer: AttentionLayer, query: Any, key: Any, value: Any, sinks: Any) -> Any:
        del key, value, sinks
        found[layer.index] = layer
        return query.new_zeros(len(query), layer.heads * layer.value_size)

    attend_by(module, look)
    one = torch.zeros(1, 1, dtype=torch.int64)
    try:
        with torch.inference_mode():
            module(input_ids=one, position_ids=one, use_cache=False)
    except PreconditionError:  # a layer has what pages lack
        return []
    count = int(module.config.get_text_config().num_hidden_layers)
    return [found[index] for index in range(count)] if sorted(found) == list(range(count)) else []
