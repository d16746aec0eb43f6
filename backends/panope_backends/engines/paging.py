"""Whether a decoder's attention can be paged, from its config.json alone; the same for every engine with pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Types whose layers compute attention by themselves, which transformers' other ways to compute it do not reach.
_OWN_ATTENTION = frozenset({"bloom", "falcon", "mpt"})

#: Types whose layers, or some of them, keep a running state in the place of keys and values.
_RUNNING_STATE = frozenset(
    {
        *("bamba", "falcon_h1", "falcon_mamba", "granitemoehybrid", "jamba", "lfm2", "lfm2_moe", "mamba", "mamba2"),
        *("minimax", "nemotron_h", "olmo_hybrid", "qwen3_5", "qwen3_5_moe", "qwen3_next", "recurrent_gemma", "rwkv"),
        *("xlstm", "zamba", "zamba2"),
    }
)

#: Kinds of layers, as `layer_types` names them, that paged attention computes.
_PAGED_LAYERS = frozenset({"full_attention", "sliding_attention", "attention"})


def paging_refusal(config: Mapping[str, Any]) -> str:
    """Why a decoder's attention cannot be paged; empty when it may be, which its layers and a proof then show.

    Args:
        config: the parsed config.json.
    """
    text = _text_config(config)
    if True in (config.get("is_encoder_decoder"), text.get("is_encoder_decoder")):
        return "its decoder looks at what an encoder has read, which the pages of a decoder alone do not hold"
    kind = str(text.get("model_type", ""))
    if kind in _RUNNING_STATE:
        return f"models of the type `{kind}` keep a running state, which has no pages"
    if kind in _OWN_ATTENTION:
        return f"models of the type `{kind}` compute attention by themselves, without pages"
    if text.get("alibi"):
        return "its attention has a bias of its positions (`alibi`), which paged attention lacks"
    if text.get("attn_logit_softcapping"):
        return "its attention has a soft cap of its scores (`attn_logit_softcapping`), which paged attention lacks"
    if text.get("use_bidirectional_attention"):
        return "its attention looks in both directions, and paged attention looks back"
    if text.get("attention_chunk_size"):
        return "its attention is cut into chunks (`attention_chunk_size`), which paged attention lacks"
    layers = text.get("layer_types")
    odd = sorted({str(layer) for layer in layers} - _PAGED_LAYERS) if isinstance(layers, list) else []
    if odd:
        return f"its layers are {', '.join(f'`{layer}`' for layer in odd)} too, which have no pages"
    return ""


def _text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config.json that describes the decoder, where images or audio have parts of their own."""
    text = config.get("text_config")
    return text if isinstance(text, Mapping) else config
