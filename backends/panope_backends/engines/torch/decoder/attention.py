"""One attention function for the decoders of transformers, which hands each layer's attention to its model's owner.

transformers looks an attention function up by the name in the model's configuration. The one here reads what a layer
passes, refuses what would be lost, and calls the `Attend` that `attend_by` has put on the layer: a marker while a graph
is made of the model, paged attention while it runs.

No mask is made. Every sequence is causal, with a window where the layer says so, and that is all an `Attend` is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import AttentionInterface, AttentionMaskInterface

from panope_backends.errors import PreconditionError

ATTENTION = "panope_paged"
"""The name that a model is loaded with, as `attn_implementation`."""

_ATTRIBUTE = "panope_attend"


@dataclass(frozen=True)
class AttentionLayer:
    """What one layer's attention is.

    Attributes:
        index: of the layer in the model.
        heads: of the queries.
        kv_heads: of keys and values; each serves `heads / kv_heads` heads of the queries.
        key_size: numbers of one head's key, and of a query.
        value_size: numbers of one head's value.
        scale: the factor of the scores.
        window: how many tokens a token sees, itself included; 0 for all before it.
    """

    index: int
    heads: int
    kv_heads: int
    key_size: int
    value_size: int
    scale: float
    window: int


Attend = Callable[[AttentionLayer, Any, Any, Any, Any], Any]
"""Computes one layer: queries, keys and values as `[tokens, heads * size]`, one sinks' logit a head or None.

It gives `[tokens, heads * value_size]`.
"""


def attend_by(model: Any, attend: Attend) -> None:
    """Lets `attend` compute the attention of every layer of a model that was loaded with `ATTENTION`."""
    for module in model.modules():
        if isinstance(getattr(module, "layer_idx", None), int):
            setattr(module, _ATTRIBUTE, attend)


def _attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Any = None,
    **others: Any,
) -> tuple[Any, None]:
    """The interface of transformers: `[batch, heads, tokens, size]` in, `[batch, tokens, heads, size]` out."""
    del attention_mask  # none is made
    _refuse_what_would_be_lost(module, softcap, others)
    _, heads, tokens, size = query.shape
    layer = AttentionLayer(
        int(module.layer_idx),
        int(heads),
        int(key.shape[1]),
        int(size),
        int(value.shape[3]),
        float(scaling if scaling is not None else size**-0.5),
        int(sliding_window or 0),
    )
    attended = getattr(module, _ATTRIBUTE)(layer, flat(query), flat(key), flat(value), s_aux)
    return attended.reshape(1, tokens, heads, layer.value_size), None


def flat(states: Any) -> Any:
    """`[1, heads, tokens, size]` as `[tokens, heads * size]`."""
    return states.transpose(1, 2).reshape(-1, states.shape[1] * states.shape[3])


def _refuse_what_would_be_lost(module: Any, softcap: float | None, others: dict[str, Any]) -> None:
    lost = {
        "a soft cap of its scores": softcap,
        "a bias of its positions": others.get("position_bias"),
        "attention in both directions": not getattr(module, "is_causal", True) or others.get("is_causal") is False,
    }
    for what, present in lost.items():
        if present is not None and present is not False:
            raise PreconditionError(
                f"the model's attention has {what}, which paged attention lacks", reason="unsupported_model"
            )


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, lambda *_arguments, **_keywords: None)
