"""Where the tokens of a step stand in their sequences, told to modules that count from the start of the step."""

from __future__ import annotations

from typing import Any

import torch

from panope_backends.engines.torch.encoder_decoder.facts import decoder_config
from panope_backends.engines.torch.encoder_decoder.states import blank_states

#: Names of the table that gives tokens a vector for where they stand: GPT-2 has the second.
_TABLES = ("embed_positions", "wpe")


class _SeenError(Exception):
    """Ends a run of the decoder whose positions are known."""


class PositionTable:
    """The decoder's vectors of positions, where it has them.

    Args:
        module: the model.
        length: how many positions there are.
    """

    def __init__(self, module: Any, length: int) -> None:
        self._positions: Any = None
        decoder = innermost_decoder(module)
        self._rotates = hasattr(decoder, "rotary_emb")
        self._embedding = next((found for name in _TABLES if (found := getattr(decoder, name, None)) is not None), None)
        if self._embedding is not None:
            self._table = _read(module, self._embedding, length)
            self._usual = self._embedding.forward
            self._embedding.forward = self._forward

    def place(self, positions: Any) -> None:
        """Says where the tokens of the next run stand, as int64 `[tokens]`; None where they stand at the start."""
        self._positions = positions

    def keywords(self) -> dict[str, Any]:
        """What the model is told of the positions, where its decoder turns queries and keys by them."""
        return {"decoder_position_ids": self._positions[None]} if self._rotates and self._positions is not None else {}

    def _forward(self, *arguments: Any, **keywords: Any) -> Any:
        if self._positions is None:
            return self._usual(*arguments, **keywords)
        return self._table[self._positions][None]


def innermost_decoder(module: Any) -> Any:
    """The layers of a decoder, without its head, which a composed model has beside them."""
    decoder = module.get_decoder()
    while (inner := decoder.get_decoder() if hasattr(decoder, "get_decoder") else decoder) is not decoder:
        decoder = inner
    return decoder


def _read(module: Any, embedding: Any, length: int) -> Any:
    """`[length, width]`, as a run of so many tokens looks them up, which ends there."""
    found: list[Any] = []

    def see(_module: Any, _arguments: Any, output: Any) -> None:
        found.append(output)
        raise _SeenError

    # Any token but that of padding, which has no position in some types.
    token = next(number for number in range(2) if number != decoder_config(module.config).pad_token_id)
    hook = embedding.register_forward_hook(see)
    try:
        with torch.inference_mode():
            module(
                encoder_outputs=blank_states(module),
                decoder_input_ids=torch.full((1, length), token, device=module.device),
                use_cache=False,
            )
    except _SeenError:
        pass
    finally:
        hook.remove()
    return found[0].reshape(length, -1)


def distance_biases(modules: list[Any], length: int) -> list[Any]:
    """What each layer adds to a score for the distance of the two tokens: `[heads, length]`, or None for nothing.

    Layers without a table of their own take that of the first, as T5's do.

    Args:
        modules: the decoder's attention to its own tokens, in the order of its layers.
        length: how many distances, from 0.
    """
    first: Any = None
    biases = []
    for module in modules:
        own = _bias(module, length)
        first = own if first is None else first
        biases.append(first if own is None else own)
    return biases


def _bias(module: Any, length: int) -> Any:
    if not getattr(module, "has_relative_attention_bias", False):
        return None
    with torch.inference_mode():
        # The last of so many tokens looks at all of them: its own position comes last.
        values = module.compute_bias(1, length, past_seen_tokens=length - 1)
    return values[0, :, 0].flip(-1).contiguous()
