"""From adjusted logits to one token: temperature, top_k, top_p, min_p and the draw, in this order.

The order is transformers' (`GenerationMixin._get_logits_processor`), whose distributions these are. vLLM applies min_p
first: there the probabilities that top_p adds up are those of what min_p has left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.api.generation import SamplingParams
from panope_backends.generation.sampling.largest import top_with_ties, weighing_at_least
from panope_backends.generation.sampling.sums import place_in_sum, sums_of_blocks

Array = np.ndarray[Any, Any]

_LARGEST_SCALE = 1e30


class Distribution:
    """The tokens that settings leave, with weights in proportion to their probabilities.

    Attributes:
        token_ids: ascending; None for all.
        weights: float32, the likeliest token's is 1.
    """

    __slots__ = ("token_ids", "weights")

    def __init__(self, weights: Array, token_ids: Array | None = None) -> None:
        self.weights = weights
        self.token_ids = token_ids

    def only(self, indices: Array) -> Distribution:
        """What is left of it."""
        return Distribution(self.weights[indices], indices if self.token_ids is None else self.token_ids[indices])

    def draw(self, chance: float) -> int:
        """The token at a place in [0, 1) of the cumulative distribution."""
        index = place_in_sum(self.weights, chance * float(sums_of_blocks(self.weights).sum()))
        return index if self.token_ids is None else int(self.token_ids[index])


def distribution(logits: Array, largest: float, params: SamplingParams, out: Array) -> Distribution:
    """What there is to draw from.

    Args:
        logits: float32 of all tokens, adjusted.
        largest: of them, a finite number.
        params: its temperature is above 0.
        out: float32 of the same size; it is overwritten, and may be a part of what is returned.
    """
    left = Distribution(*_weights(logits, largest, params, out))
    if params.top_p < 1:
        left = left.only(_nucleus(left.weights, params.top_p))
    if params.min_p > 0:
        left = left.only((left.weights >= np.float32(params.min_p)).nonzero()[0])
    return left


def _weights(logits: Array, largest: float, params: SamplingParams, out: Array) -> tuple[Array, Array | None]:
    if 0 < params.top_k < logits.size:
        token_ids = top_with_ties(logits, params.top_k)
        weights = np.subtract(logits[token_ids], largest)
    else:
        token_ids = None
        weights = np.subtract(logits, largest, out=out)
    if params.temperature != 1:
        scale = np.clip(1 / params.temperature, 1 / _LARGEST_SCALE, _LARGEST_SCALE)
        np.multiply(weights, np.float32(scale), out=weights)
    return np.exp(weights, out=weights), token_ids


def _nucleus(weights: Array, top_p: float) -> Array:
    """Indices, ascending, of the fewest largest weights that have `top_p` of them all, at least one."""
    mass = top_p * float(sums_of_blocks(weights).sum())
    indices = weighing_at_least(weights, mass)
    candidates = weights[indices]
    lightest_first = candidates.copy()
    lightest_first.sort()
    # A weight stays where those before it do not reach the mass.
    count = 1 + place_in_sum(lightest_first[::-1], mass, side="left")
    return indices[_heaviest(candidates, count, lightest_first[-count])]


def _heaviest(weights: Array, count: int, border: np.float32) -> Array:
    """Which weights are the `count` heaviest, the first of equal ones; `border` is the lightest of them."""
    are_kept: Array = weights >= border
    if excess := int(np.count_nonzero(are_kept)) - count:
        are_kept[(weights == border).nonzero()[0][-excess:]] = False
    return are_kept
