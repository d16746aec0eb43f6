"""Estimates the memory of a model from its weights' bytes, and the cache or the run that its configuration implies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panope_registry.inspect.model_documents import TEXT_DETECTOR_SIDE
from panope_registry.names import MAX_INTEGER

OVERHEAD = 1.2
"""Weights, activations, buffers and the allocator's waste, as a factor on the weights (docs/decisions/0218)."""

CACHED_TOKENS = 4096
"""The length of the text that the key-value cache is counted for, unless the model's own limit is shorter."""

DETECTOR_BYTES = 220
"""The bytes that a detector of text takes while it runs, for each pixel that it sees: of PP-OCR's, which are 2 to 4 MB,
170 to 220 by ONNX Runtime and by OpenVINO."""

DRAWN_BYTES, DRAWN_PIXELS = 4200, 512 * 512
"""The bytes that a pipeline takes while it decodes what it has drawn, for each pixel, and the pixels that are counted.

The decoder of Stable Diffusion takes 4,100 in float32 by PyTorch. How large a pipeline's images are, its index does not
say; those of twice the side take four times as much."""

CACHE_BYTES = 2
"""The bytes of a cached number, whatever the weights are stored in."""


def memory_bytes(weights_bytes: int, config: Mapping[str, Any]) -> int:
    """Returns the need, in bytes, at most what a record holds; 0 when nothing is known of the weights."""
    if not weights_bytes:
        return 0
    return min(MAX_INTEGER, round(weights_bytes * OVERHEAD) + cache_bytes(config) + run_bytes(config))


def run_bytes(config: Mapping[str, Any]) -> int:
    """Returns what one run takes beside the weights, of a detector of text, or of a pipeline; 0 for others."""
    draws = isinstance(config.get("_class_name"), str) and "vae" in config
    return DETECTOR_BYTES * _number(config, TEXT_DETECTOR_SIDE) ** 2 + draws * DRAWN_BYTES * DRAWN_PIXELS


def cache_bytes(config: Mapping[str, Any]) -> int:
    """Returns the key-value cache of one text; 0 for a model that generates none, or whose config does not tell."""
    nested = config.get("text_config")
    text = nested if isinstance(nested, Mapping) else config
    layers, heads = _number(text, "num_hidden_layers"), _number(text, "num_attention_heads")
    hidden, tokens = _number(text, "hidden_size"), _number(text, "max_position_embeddings") or CACHED_TOKENS
    if not (layers and heads and hidden) or not _generates(config):
        return 0
    key_heads = _number(text, "num_key_value_heads") or heads
    head_size = _number(text, "head_dim") or hidden // heads
    return 2 * layers * key_heads * head_size * min(tokens, CACHED_TOKENS) * CACHE_BYTES


def _generates(config: Mapping[str, Any]) -> bool:
    names = config.get("architectures")
    ends = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
    return isinstance(names, list) and any(isinstance(name, str) and name.endswith(ends) for name in names)


def _number(config: Mapping[str, Any], key: str) -> int:
    """Returns a count of a sane size; 0 when it is something else."""
    value = config.get(key)
    return value if type(value) is int and 0 < value < 1 << 31 else 0
