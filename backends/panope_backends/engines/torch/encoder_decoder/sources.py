"""Keys and values of sources: what the layers of a decoder make of the states of the encoder, once a source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from panope_backends.api import Head, StepBatch
from panope_backends.engines.torch.decoder.attention import AttentionLayer
from panope_backends.errors import InvalidInputError


class SourceStates:
    """What is kept of sources, and attention to it.

    Args:
        layers: the attention of the decoder's layers to sources.
        itemsize: bytes of a number.
    """

    def __init__(self, layers: Sequence[AttentionLayer], itemsize: int) -> None:
        self.token_bytes = itemsize * sum(layer.kv_heads * (layer.key_size + layer.value_size) for layer in layers)
        self._kept: dict[int, dict[int, tuple[Any, Any]]] = {}
        self._read: dict[int, tuple[Any, Any]] | None = None
        self._parts: list[tuple[int, int, int]] = []
        self._watched: dict[Head, Any] | None = None

    def clear(self) -> None:
        """Forgets all sources."""
        self._kept = {}

    def begin_source(self, source: int) -> None:
        """Lets the next run of the decoder give the keys and values of a source."""
        self._kept.pop(source, None)
        self._read = {}

    def end_source(self, source: int) -> None:
        """Keeps them."""
        assert self._read is not None
        self._kept[source], self._read = self._read, None

    def begin_step(self, batch: StepBatch) -> None:
        """Says which tokens look at which sources.

        Raises:
            InvalidInputError: a source was not encoded.
        """
        assert batch.sources is not None
        self._read = None
        begins = batch.token_begins.tolist()
        self._parts = list(zip(begins[:-1], begins[1:], batch.sources.tolist(), strict=True))
        if any(source not in self._kept for _, _, source in self._parts):
            raise InvalidInputError("a sequence looks at a source that was not encoded", field="sources")

    def watch(self, heads: Sequence[Head]) -> None:
        """Lets the next step, of one sequence, keep the weights of these heads too."""
        self._watched = dict.fromkeys(heads)

    def watched(self) -> dict[Head, Any]:
        """The weights that it kept, each float32 `[tokens, states]`; no step keeps any after this."""
        found, self._watched = self._watched, None
        return found or {}

    def attend(self, index: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        """One layer: takes the keys and values of a source that is read, or attends to those that are kept."""
        if self._read is not None:
            self._read[index] = (key.contiguous(), value.contiguous())
            return query.new_zeros(1, query.shape[2], query.shape[1], value.shape[3])
        if self._watched is not None:
            self._keep_weights(self._watched, index, query, scale)
        # One after another: without padding no keys are copied, and none of a sequence's numbers depends on others.
        attended = [
            scaled_dot_product_attention(
                query[:, :, begin:end],
                *self._kept[source][index],
                scale=scale,
                enable_gqa=query.shape[1] != self._kept[source][index][0].shape[1],
            )
            for begin, end, source in self._parts
        ]
        return torch.cat(attended, dim=2).transpose(1, 2)

    def _keep_weights(self, watched: dict[Head, Any], index: int, query: Any, scale: float) -> None:
        ((_, _, source),) = self._parts
        keys = self._kept[source][index][0]
        shared = query.shape[1] // keys.shape[1]
        for layer, head in watched:
            if layer == index:
                scores = query[0, head].float() @ keys[0, head // shared].float().T
                watched[layer, head] = (scores * scale).softmax(dim=-1)
