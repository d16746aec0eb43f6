"""A cache of transformers that keeps nothing, for decoders whose keys and values others keep."""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache

from panope_backends.engines.torch.encoder_decoder.layers import DecoderLayers


class _PassingCache(DynamicCache):  # type: ignore[misc]  # transformers' types are not read (see pyproject.toml)
    """Keeps nothing: a step's keys and values go to the attention as they are."""

    def update(self, key_states: Any, value_states: Any, *_arguments: Any, **_keywords: Any) -> tuple[Any, Any]:
        return key_states, value_states


def passing_cache(layers: DecoderLayers, module: Any) -> Any:
    """A cache of transformers by which no layer makes keys and values of an encoder's states."""
    made, like = DynamicCache(), {"dtype": module.dtype, "device": module.device}
    for each in layers.cross:
        sizes = (each.layer.key_size, each.layer.value_size)
        made.update(*(torch.zeros(1, each.layer.kv_heads, 1, size, **like) for size in sizes), each.layer.index)
    return EncoderDecoderCache(_PassingCache(), made)
