"""Attention that reads keys and values in their pages: PyTorch's `varlen_attn`, which NVIDIA's GPUs have."""

from __future__ import annotations

from typing import Any

from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.engines.torch.decoder.step import Ragged


def attended(layer: AttentionLayer, query: Any, keys: Any, values: Any, step: Ragged) -> Any:
    """One layer of a step.

    Args:
        layer: which one.
        query: `[tokens, heads, key_size]`.
        keys: all of the layer's, `[blocks, block_size, kv_heads, key_size]`.
        values: the same, of the layer's `value_size`.
        step: which tokens are whose.

    Returns:
        `[tokens, heads, value_size]`.
    """
    from torch.nn.attention.varlen import varlen_attn  # PyTorch has it since 2.10

    # A window counts the token itself here, and the tokens before it there.
    before = layer.window - 1 if layer.window else -1
    return varlen_attn(
        query,
        keys,
        values,
        step.begins,
        None,
        step.most_new,
        step.most,
        scale=layer.scale,
        window_size=(before, 0),
        enable_gqa=layer.heads != layer.kv_heads,
        seqused_k=step.lengths,
        block_table=step.blocks,
    )
