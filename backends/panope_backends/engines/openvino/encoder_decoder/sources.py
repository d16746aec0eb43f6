"""Keys and values of what the encoder has read, side by side for the sequences of a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from panope_backends.engines.openvino.encoder_decoder.facts import AttentionFacts
from panope_backends.engines.openvino.encoder_decoder.inputs import FAR
from panope_backends.errors import InvalidInputError

Array = np.ndarray[Any, Any]


class Sources:
    """What is kept of sources.

    Args:
        layers: the decoder's attention to them.
    """

    def __init__(self, layers: Sequence[AttentionFacts]) -> None:
        self.token_bytes = 4 * sum(layer.heads * (layer.key_size + layer.value_size) for layer in layers)
        self._kept: dict[int, list[Array]] = {}
        self._joined: tuple[tuple[int, ...], dict[str, Array]] = ((), {})

    def clear(self) -> None:
        """Forgets all."""
        self._kept = {}
        self._joined = ((), {})

    def forget(self, source: int) -> None:
        """Forgets one."""
        self._kept.pop(source, None)
        if source in self._joined[0]:
            self._joined = ((), {})

    def keep(self, source: int, made: list[Array]) -> None:
        """Keeps what the encoder's graph gave: keys and values of all layers, `[1, heads, tokens, size]`."""
        self.forget(source)
        self._kept[source] = made

    def keys(self, source: int, layer: int) -> Array:
        """Of one that was encoded, `[heads, tokens, size]`."""
        keys: Array = self._kept[source][2 * layer][0]
        return keys

    def of(self, sources: Sequence[int]) -> dict[str, Array]:
        """The graph's inputs for sequences that look at these; made again only where others came or went.

        Raises:
            InvalidInputError: one was not encoded.
        """
        wanted = tuple(sources)
        if not self._kept.keys() >= set(wanted):
            raise InvalidInputError("a sequence looks at a source that was not encoded", field="sources")
        if wanted != self._joined[0]:
            self._joined = ((), {})  # its memory, before there is more of it
            self._joined = (wanted, self._join([self._kept[source] for source in wanted]))
        return self._joined[1]

    def _join(self, kept: Sequence[list[Array]]) -> dict[str, Array]:
        lengths = np.array([each[0].shape[2] for each in kept])
        longest = int(lengths.max())
        joined = {"source_mask": np.where(np.arange(longest) < lengths[:, None], 0, FAR).astype(np.float32)}
        for place in range(len(kept[0])):
            name = f"cross_{'value' if place % 2 else 'key'}.{place // 2}"
            joined[name] = np.zeros((len(kept), *_with_length(kept[0][place].shape, longest)), np.float32)
            for row, each in enumerate(kept):
                joined[name][row, :, : lengths[row]] = each[place][0]
        return joined


def _with_length(shape: tuple[int, ...], length: int) -> tuple[int, int, int]:
    _, heads, _, size = shape
    return heads, length, size
