"""The modules of a decoder that compute attention: to its own tokens, and to what the encoder read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.engines.torch.encoder_decoder.attention import attend_by
from panope_backends.engines.torch.encoder_decoder.composed import rewrite_attention
from panope_backends.engines.torch.encoder_decoder.states import blank_states
from panope_backends.errors import PreconditionError

#: Lengths by which a look tells one kind of attention from the other.
_OWN_TOKENS = 2
_SOURCE_TOKENS = 3


@dataclass(frozen=True)
class AttentionModule:
    """A module of the decoder that computes attention.

    Attributes:
        module: of transformers.
        layer: what its attention is.
    """

    module: Any
    layer: AttentionLayer


@dataclass(frozen=True)
class DecoderLayers:
    """The attention of all layers of a decoder, in their order.

    Attributes:
        own: to the decoder's own tokens.
        cross: to sources.
    """

    own: Sequence[AttentionModule]
    cross: Sequence[AttentionModule]


def decoder_layers(module: Any) -> DecoderLayers:
    """Finds them by running two tokens with a source of three.

    Raises:
        PreconditionError: some layers compute attention otherwise.
    """
    found: dict[int, dict[int, AttentionModule]] = {_OWN_TOKENS: {}, _SOURCE_TOKENS: {}}

    def look_at(part: Any) -> None:
        def look(query: Any, key: Any, value: Any, scale: float) -> Any:
            sizes = (int(query.shape[1]), int(key.shape[1]), int(key.shape[3]), int(value.shape[3]))
            layer = AttentionLayer(int(part.layer_idx), *sizes, scale, 0)
            found[int(key.shape[2])][layer.index] = AttentionModule(part, layer)
            return query.new_zeros(1, query.shape[2], query.shape[1], value.shape[3])

        attend_by(part, look)

    rewrite_attention(module)
    for part in module.get_decoder().modules():
        if isinstance(getattr(part, "layer_idx", None), int):
            look_at(part)
    with torch.inference_mode():
        module(
            encoder_outputs=blank_states(module, _SOURCE_TOKENS),
            decoder_input_ids=torch.zeros(1, _OWN_TOKENS, dtype=torch.int64, device=module.device),
            use_cache=False,
        )
    own, cross = ([modules[index] for index in sorted(modules)] for modules in found.values())
    indices = [each.layer.index for each in own]
    if not own or indices != [each.layer.index for each in cross] or indices != list(range(len(own))):
        raise PreconditionError(
            "the layers of the decoder do not attend as transformers' attention functions do",
            reason="unsupported_model",
        )
    return DecoderLayers(own, cross)
