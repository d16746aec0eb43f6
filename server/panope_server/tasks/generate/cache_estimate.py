"""How large a cache of keys and values a model can use, by its config.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Of a cached value, at most.
_VALUE_BYTES = 4
#: Keys and values.
_KINDS = 2

_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads")
_KEY_HEADS = ("num_key_value_heads", "multi_query_group_num", "n_head_kv", *_HEADS)
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


def useful_cache_bytes(config: Mapping[str, Any], slots: int) -> int:
    """What a cache takes that holds every sequence at its longest, in the widest precision; 0 when unknown."""
    nested = config.get("text_config")
    known = {**config, **nested} if isinstance(nested, Mapping) else config
    return slots * _number(known, _POSITIONS) * _token_bytes(known)


def _token_bytes(config: Mapping[str, Any]) -> int:
    heads = _number(config, _HEADS)
    head_size = _number(config, ("head_dim",)) or (_number(config, _HIDDEN) // heads if heads else 0)
    return _KINDS * _number(config, _LAYERS) * _number(config, _KEY_HEADS) * head_size * _VALUE_BYTES


def _number(config: Mapping[str, Any], names: Sequence[str]) -> int:
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int and 0 < value < 1 << 24), 0)
