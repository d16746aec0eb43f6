"""Proves that a converted encoder-decoder computes what transformers computes with attention in its plainest form.

Two seeded sources are read, and two texts run side by side that look at them: each in a first part, single tokens, and
a rest, with blocks that lie anywhere. All logits are compared with those that transformers gives of the whole at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from panope_backends.api import EncoderDecoderModel, StepBatch, StepSequence
from panope_backends.engines.openvino.paged.proof import Pairs, check

Array = np.ndarray[Any, Any]


class Reference(Protocol):
    """The original."""

    def sample(self, number: int, length: int, usable: Array) -> Any:
        """A seeded source of so many tokens, or features of audio, of those that a model takes."""

    def __call__(self, source: Any, tokens: Sequence[int]) -> Array:
        """The logits after each token of the decoder, `[tokens, vocabulary]`."""


#: Past the distances that T5's tables tell apart (128), and past some blocks.
_LONGEST = 170


def prove(made: EncoderDecoderModel, original: Reference, precision: str, padding: int | None) -> None:
    """Refuses what differs.

    Args:
        made: the conversion's result, in float32.
        original: what it was made of.
        precision: of the result's weights.
        padding: a token that some types treat apart, which no text has.

    Raises:
        PreconditionError: logits differ by more than rounding, or than smaller weights explain, or are no numbers.
    """
    longest = min(made.max_positions, _LONGEST)
    usable = np.array([token for token in range(made.vocab_size) if token != padding])
    random = np.random.default_rng(0)
    lengths = (longest, max(1, longest * 2 // 3))
    texts = [random.choice(usable, length).tolist() for length in lengths]
    most = made.source.max_length
    read = [original.sample(number, max(1, min(most, length) // 3), usable) for number, length in enumerate(lengths)]
    made.allocate_sources(len(read))
    for number, source in enumerate(read):
        (made.encode if made.source.features is None else made.encode_features)(number, source)
    expected = [original(source, text) for source, text in zip(read, texts, strict=True)]
    check(_pairs(made, texts, expected), precision)


def _pairs(made: EncoderDecoderModel, texts: Sequence[Sequence[int]], expected: Sequence[Array]) -> Pairs:
    size = made.cache.block_size
    per_text = -(-max(map(len, texts)) // size)
    numbers = np.random.default_rng(1).permutation(len(texts) * per_text)
    tables = numbers.reshape(len(texts), per_text).tolist()
    made.allocate(len(numbers))
    firsts = (len(texts[0]) // 2, len(texts[1]) // 3)
    cuts = [_cuts(len(text), first) for text, first in zip(texts, firsts, strict=True)]
    for step in range(max(map(len, cuts))):
        parts = [(number, *cut[step]) for number, cut in enumerate(cuts) if step < len(cut)]
        found = made.forward(
            StepBatch.of(
                [
                    StepSequence(texts[n][begin:end], begin, tables[n][: -(-end // size)], range(end - begin), source=n)
                    for n, begin, end in parts
                ]
            )
        )
        yield found.copy(), np.concatenate([expected[n][begin:end] for n, begin, end in parts])


def _cuts(length: int, first: int) -> list[tuple[int, int]]:
    """A text's parts: the first, two single tokens, and the rest."""
    return list(pairwise(sorted({0, length, *(min(length, first + more) for more in range(3))})))
