"""Attention to keys and values that are gathered from their pages first: on every device, for every kind of layer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.engines.torch.decoder.step import Part


def attended(
    layer: AttentionLayer,
    query: Any,
    keys: Any,
    values: Any,
    part: Part,
    sinks: Any,
    distance_bias: Any,
    *,
    is_plain: bool,
) -> Any:
    """One layer of the sequences of a part.

    Args:
        layer: which one.
        query: `[sequences, new tokens, heads, key_size]`.
        keys: all of the layer's, `[blocks, block_size, kv_heads, key_size]`.
        values: the same, of the layer's `value_size`.
        part: which sequences.
        sinks: one a head, or None.
        distance_bias: what is added to scores, `[heads, distances]` from a distance of 0 on, or None.
        is_plain: by products and a softmax, in the place of PyTorch's function for both.

    Returns:
        `[sequences, new tokens, heads, value_size]`.
    """
    first, block_size = 0, keys.shape[1]
    if layer.window:  # blocks that all windows have left behind
        first = max(0, part.first_position + 1 - layer.window) // block_size
    blocks = part.blocks[:, first:]
    key, value = (pool[blocks].flatten(1, 2).transpose(1, 2) for pool in (keys, values))
    seen_at = torch.arange(first * block_size, first * block_size + key.shape[2], device=query.device)
    mask = seen_at <= part.positions[..., None]
    if layer.window:
        mask &= seen_at > part.positions[..., None] - layer.window
    mask = mask[:, None]
    if distance_bias is not None:
        mask = _biased(distance_bias, part, seen_at, mask)
    if sinks is not None:
        key, value, mask = _with_sinks(query, key, value, sinks, mask)
    attend = _plain if is_plain else _fused
    return attend(layer, query.transpose(1, 2), key, value, mask).transpose(1, 2)


def _fused(layer: AttentionLayer, query: Any, key: Any, value: Any, mask: Any) -> Any:
    grouped = layer.heads != layer.kv_heads
    return scaled_dot_product_attention(query, key, value, mask, scale=layer.scale, enable_gqa=grouped)


def _plain(layer: AttentionLayer, query: Any, key: Any, value: Any, mask: Any) -> Any:
    """In float32, as the sums of a softmax want it."""
    share = layer.heads // layer.kv_heads
    key, value = (each.float().repeat_interleave(share, dim=1) for each in (key, value))
    scores = query.float() @ key.transpose(2, 3) * layer.scale
    scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask.float()
    return (scores.softmax(dim=-1) @ value).to(query.dtype)


def _biased(distance_bias: Any, part: Part, seen_at: Any, mask: Any) -> Any:
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
