"""How large a cache of keys and values a model can use, by its config.json alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Of a cached value, at most.
_VALUE_BYTES = 4
#: Of encoder-decoders whose positions are distances, and that name no end.
_RELATIVE_POSITIONS = 1024
#: Keys and values.
_KINDS = 2

_LAYERS = ("num_decoder_layers", "decoder_layers", "num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HEADS = ("num_attention_heads", "decoder_attention_heads", "n_head", "num_heads", "n_heads")
_KEY_HEADS = ("num_key_value_heads", "multi_query_group_num", "n_head_kv", *_HEADS)
_HEAD_SIZES = ("head_dim", "d_kv")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


def useful_cache_bytes(config: Mapping[str, Any], slots: int) -> int:
    """What a cache takes that holds every sequence at its longest, in the widest precision; 0 when unknown."""
    nested = config.get("text_config")
    known = {**config, **nested} if isinstance(nested, Mapping) else config
    if known.get("is_encoder_decoder") is True:  # what it keeps of prompts is as long as what it keeps of answers
        return 2 * slots * (_number(known, _POSITIONS) or _RELATIVE_POSITIONS) * _token_bytes(known)
    return slots * _number(known, _POSITIONS) * _token_bytes(known)


def _token_bytes(config: Mapping[str, Any]) -> int:
    heads = _number(config, _HEADS)
    head_size = _number(config, _HEAD_SIZES) or (_number(config, _HIDDEN) // heads if heads else 0)
    return _KINDS * _number(config, _LAYERS) * _number(config, _KEY_HEADS) * head_size * _VALUE_BYTES


def _number(config: Mapping[str, Any], names: Sequence[str]) -> int:
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int and 0 < value < 1 << 24), 0)
