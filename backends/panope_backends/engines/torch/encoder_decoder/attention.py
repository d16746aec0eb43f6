"""One attention function for encoder-decoders: plain for the encoder, and in the decoder whatever a module was given.

transformers looks an attention function up by the name in the model's configuration, which encoder and decoder often
share. No mask is made: a text is encoded alone, without padding, and what a token of the decoder sees is known to the
`Attend` of its module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

ATTENTION = "panope_encoder_decoder"
"""The name that a model is loaded with, as `attn_implementation`."""

_ATTRIBUTE = "panope_attend"

Attend = Callable[[Any, Any, Any, float], Any]
"""Computes one module's attention: queries, keys and values as `[1, heads, tokens, size]`, and the scores' factor.

It gives `[1, tokens, heads, size]`.
"""


def attend_by(module: Any, attend: Attend) -> None:
    """Lets `attend` compute the attention of one module."""
    setattr(module, _ATTRIBUTE, attend)


def _attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    position_bias: Any = None,
    **others: Any,
) -> tuple[Any, None]:
    """The interface of transformers: `[batch, heads, tokens, size]` in, `[batch, tokens, heads, size]` out."""
    del attention_mask, others  # none is made; the trial at loading shows what would be lost
    scale = float(scaling if scaling is not None else query.shape[3] ** -0.5)
    attend = getattr(module, _ATTRIBUTE, None)
    if attend is not None:
        return attend(query, key, value, scale), None
    return scaled_dot_product_attention(query, key, value, position_bias, scale=scale).transpose(1, 2), None


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, lambda *_arguments, **_keywords: None)
