"""Proves that a converted decoder computes what transformers computes with attention in its plainest form.

Two seeded texts run side by side: each in a first part, single tokens, and later parts of other lengths, with blocks
that lie anywhere. Every token's logits are compared with those that transformers gives of the whole text at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from panope_backends.api import StepBatch, StepModel, StepSequence
from panope_backends.errors import PreconditionError

Array = np.ndarray[Any, Any]


Pairs = Iterable[tuple[Array, Array]]


class Reference(Protocol):
    """The original."""

    def __call__(self, tokens: Sequence[int]) -> Array:
        """The logits after each token, `[tokens, vocabulary]`."""


#: Largest difference of logits in float32, relative to the largest. Seen: below 1e-5.
TOLERANCE = 1e-3

#: By the precision of the weights: the least cosine of a step's logits to the original's.
LEAST_COSINE = {"fp16": 0.999, "int8": 0.98, "int4": 0.8}

#: Texts are longer than attention windows up to this; wider ones (4,096 in Mistral) are a number in the graph like
#: any other, and a text of their length in the plainest form takes gigabytes.
LONGEST = 1100

#: Past a window, in tokens.
_PAST = 40

_SHORTEST = 100


def prove(made: StepModel, original: Reference, precision: str, windows: Sequence[int]) -> None:
    """Refuses what differs.

    Args:
        made: the conversion's result, in float32 with a cache of float32.
        original: what it was made of.
        precision: of the result's weights.
        windows: of its layers; 0 for none.

    Raises:
        PreconditionError: logits differ by more than rounding, or than smaller weights explain, or are no numbers.
    """
    texts = _texts(made, windows)
    expected = [original(text) for text in texts]
    pairs = [
        (found, np.concatenate([expected[n][begin:end] for n, begin, end in parts]))
        for parts, found in _steps(made, texts)
    ]
    check(pairs, precision)


def check(found: Pairs, precision: str) -> None:
    """Compares logits with those of the original.

    Args:
        found: of each step, the logits found and the right ones.
        precision: of the weights.

    Raises:
        PreconditionError: as `prove`.
    """
    pairs = list(found)
    if precision in LEAST_COSINE:
        _check_cosine(float(np.min([_cosine(*pair) for pair in pairs])), LEAST_COSINE[precision])
        return
    difference = float(np.max([np.abs(made - right).max() / np.abs(right).max() for made, right in pairs]))
    if not difference <= TOLERANCE:  # NaN fails too
        raise PreconditionError(
            f"the converted model's logits differ by {difference:.1e} from the original's", reason="conversion_failed"
        )


def _texts(made: StepModel, windows: Sequence[int]) -> list[list[int]]:
    random = np.random.default_rng(0)
    past_windows = [window + _PAST for window in windows if window + _PAST <= LONGEST]
    longest = min(made.max_positions, max([_SHORTEST, *past_windows]))
    return [random.integers(0, made.vocab_size, length).tolist() for length in (longest, max(1, longest * 2 // 3))]


def _steps(made: StepModel, texts: Sequence[Sequence[int]]) -> Iterator[tuple[list[tuple[int, int, int]], Array]]:
    """What each step ran, as text, begin and end, and its logits."""
    size = made.cache.block_size
    per_text = -(-max(map(len, texts)) // size)
    numbers = np.random.default_rng(1).permutation(len(texts) * per_text)
    tables = [numbers[n * per_text : (n + 1) * per_text].tolist() for n in range(len(texts))]
    made.allocate(len(numbers))
    for parts in _parts([len(text) for text in texts]):
        sequences = [
            StepSequence(texts[n][begin:end], begin, tables[n][: -(-end // size)], range(end - begin))
            for n, begin, end in parts
        ]
        yield parts, made.forward(StepBatch.of(sequences)).copy()


def _parts(lengths: Sequence[int]) -> Iterator[list[tuple[int, int, int]]]:
    """Steps of every kind: long parts beside short ones, single tokens, and parts that begin within a block."""
    ways = [_cuts(length, first) for length, first in zip(lengths, (lengths[0] // 2, lengths[1] // 3), strict=True)]
    for step in range(max(map(len, ways))):
        yield [(text, *way[step]) for text, way in enumerate(ways) if step < len(way)]


def _cuts(length: int, first: int) -> list[tuple[int, int]]:
    """A text's parts: the first, two single tokens, and the rest."""
    return list(pairwise(sorted({0, length, *(min(length, first + more) for more in range(3))})))


def _check_cosine(cosine: float, least: float) -> None:
    if not cosine >= least:  # NaN fails too
        raise PreconditionError(
            f"the smaller weights' logits have a cosine of {cosine:.3f} to the original's; {least} is the least",
            reason="conversion_failed",
        )


def _cosine(found: Array, expected: Array) -> float:
    one, other = found.ravel().astype(np.float64), expected.ravel().astype(np.float64)
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
