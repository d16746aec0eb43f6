"""From adjusted logits to one token: temperature, top_k, top_p, min_p and the draw, in this order.

The order is transformers' (`GenerationMixin._get_logits_processor`), whose distributions these are. vLLM applies min_p
first: there the probabilities that top_p adds up are those of what min_p has left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.api.generation import SamplingParams
from panope_backends.generation.largest import top_with_ties, weighing_at_least

Array = np.ndarray[Any, Any]

_BLOCK = 512
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
        index = _index_at(self.weights, chance)
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
        left = left.only(np.flatnonzero(left.weights >= np.float32(params.min_p)))
    return left


def _weights(logits: Array, largest: float, params: SamplingParams, out: Array) -> tuple[Array, Array | None]:
    scale = np.float32(np.clip(1 / params.temperature, 1 / _LARGEST_SCALE, _LARGEST_SCALE))
    if 0 < params.top_k < logits.size:
        token_ids = top_with_ties(logits, params.top_k)
        weights = np.subtract(logits[token_ids], largest)
    else:
        token_ids = None
        weights = np.subtract(logits, largest, out=out)
    np.multiply(weights, scale, out=weights)
    return np.exp(weights, out=weights), token_ids


def _nucleus(weights: Array, top_p: float) -> Array:
    """Indices, ascending, of the fewest largest weights that have `top_p` of them all, at least one."""
    mass = top_p * float(weights.sum())
    indices = weighing_at_least(weights, mass)
    heaviest = indices[np.argsort(-weights[indices], kind="stable")]
    sums = np.cumsum(weights[heaviest], dtype=np.float64)
    # A weight stays where those before it do not reach the mass.
    kept = 1 + int(np.searchsorted(sums, mass, side="left"))
    return np.sort(heaviest[:kept])


def _index_at(weights: Array, chance: float) -> int:
    """The index where the running sum passes `chance` of the whole."""
    if weights.size <= 2 * _BLOCK:
        return _index_in(weights, chance * float(weights.sum(dtype=np.float64)))
    sums = np.add.reduceat(weights, np.arange(0, weights.size, _BLOCK)).astype(np.float64)
    ends = np.cumsum(sums)
    target = chance * float(ends[-1])
    block = min(int(np.searchsorted(ends, target, side="right")), _last_above_zero(sums))
    begin = block * _BLOCK
    return begin + _index_in(weights[begin : begin + _BLOCK], target - float(ends[block] - sums[block]))


def _index_in(weights: Array, target: float) -> int:
    ends = np.cumsum(weights, dtype=np.float64)
    # Sums rounded otherwise can leave the target past the end, where no weight is.
    return min(int(np.searchsorted(ends, target, side="right")), _last_above_zero(weights))


def _last_above_zero(weights: Array) -> int:
    return int(np.flatnonzero(weights)[-1])
