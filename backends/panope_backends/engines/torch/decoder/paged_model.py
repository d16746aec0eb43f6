"""The step model of a decoder in PyTorch whose every layer attends over pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from panope_backends.api import AdaptableStepModel, CacheSpec, StepBatch
from panope_backends.engines.torch.decoder.adapters import Adapters, every_token_layers
from panope_backends.engines.torch.decoder.attention import AttentionLayer, attend_by
from panope_backends.engines.torch.decoder.loading import vocab_size_of
from panope_backends.engines.torch.decoder.paged_attention import choose_attention
from panope_backends.engines.torch.decoder.pages import Pages
from panope_backends.engines.torch.devices.torch_device import HOST, TorchDevice
from panope_backends.engines.torch.out_of_memory import step_within_memory
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]


class TorchStepModel(AdaptableStepModel):
    """A module of transformers over pages; texts lie side by side, without padding.

    Args:
        module: loaded with this package's attention.
        layers: its attention, from `paged_layers`.
        precision: of its weights, and of the cache.
        max_positions: of one sequence.
        max_adapters: that it takes.
        max_adapter_rank: of each of them.
        device: where its weights lie, and its cache.

    Attributes:
        attention: how its layers attend.
    """

    def __init__(
        self,
        module: Any,
        layers: Sequence[AttentionLayer],
        precision: str,
        max_positions: int,
        max_adapters: int = 0,
        max_adapter_rank: int = 0,
        device: TorchDevice = HOST,
    ) -> None:
        self.max_adapters = max_adapters
        adaptable = every_token_layers(module, _without_pages(module)) if max_adapters else []
        self._adapters = Adapters(module, adaptable, max_adapters, max_adapter_rank, device)
        self.precision, self.max_positions = precision, max_positions
        self.vocab_size = vocab_size_of(module)
        self._module, self._device = module, device
        self.attention = choose_attention(layers, module.dtype, device)
        self._pages = Pages(layers, module.dtype, self.attention, device)
        self.cache = CacheSpec(self._pages.block_size, self._pages.block_bytes, precision)
        attend_by(module, self._pages.attend)

    def allocate(self, blocks: int) -> None:
        """Replaces the pools."""
        self.blocks = 0
        self._pages.allocate(blocks)
        self.blocks = blocks

    def forward(self, batch: StepBatch) -> Array:
        """Runs one step; a tensor of its own holds the logits."""
        self.check(batch)
        return step_within_memory(self.run_whole, batch, self._device, self.cache.block_size)

    def run_whole(self, batch: StepBatch) -> Array:
        """Runs a step that was checked, and never in halves, as parts of a model run it that compute together."""
        self._pages.begin(batch)
        self._adapters.begin(batch)
        with torch.inference_mode():
            sampled = self._device.tensor(batch.sampled)
            made = self._module(**self._inputs(batch), use_cache=False, logits_to_keep=sampled)
            return self._device.array(made.logits[0])

    def copy_blocks(self, copies: Sequence[tuple[int, int]]) -> None:
        """Copies keys and values of all layers."""
        self.check_copies(copies)
        self._pages.copy_blocks(copies)

    @property
    def adapters(self) -> frozenset[int]:
        """The numbers of those that it has."""
        return self._adapters.numbers

    def add_adapter(self, number: int, folder: Path) -> None:
        """Reads an adapter of linear layers that see each token."""
        self._adapters.add(number, folder)

    def remove_adapter(self, number: int) -> None:
        """Forgets an adapter."""
        self._adapters.remove(number)

    def free_memory_bytes(self) -> int | None:
        """Of a GPU's own memory."""
        return self._device.free_bytes()

    def forget(self) -> None:
        """Frees the cache; another is allocated before the next step."""
        self.blocks = 0
        self._pages.free()

    def close(self) -> None:
        """Frees the weights, the adapters and the cache."""
        self._pages.free()
        self._adapters.free()
        del self._module
        self._device.forget_unused()

    def _inputs(self, batch: StepBatch) -> Mapping[str, Any]:
        """What the module is given of a step's tokens."""
        return {
            "input_ids": self._device.tensor(batch.tokens)[None],
            "position_ids": self._device.tensor(batch.positions)[None],
        }


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
    try:
        _run(module, torch.zeros(1, 1, dtype=torch.int64, device=module.device))
    except PreconditionError:  # a layer has what pages lack
        return []
    count = int(module.config.get_text_config().num_hidden_layers)
    return [found[index] for index in range(count)] if sorted(found) == list(range(count)) else []


def _without_pages(module: Any) -> Callable[[Any], None]:
    """What runs a module on token ids, without pages."""

    def run(token_ids: Any) -> None:
        attend_by(module, lambda layer, query, *_: query.new_zeros(len(query), layer.heads * layer.value_size))
        _run(module, token_ids)

    return run


def _run(module: Any, token_ids: Any) -> None:
    positions = torch.arange(token_ids.shape[1], device=token_ids.device)[None]
    with torch.inference_mode():
        module(input_ids=token_ids, position_ids=positions, use_cache=False)
