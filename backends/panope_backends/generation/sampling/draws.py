"""From adjusted logits to one token: temperature, top_k, top_p, min_p and the draw, in this order.

The order is transformers' (`GenerationMixin._get_logits_processor`), whose distributions these are. vLLM applies min_p
first: there the probabilities that top_p adds up are those of what min_p has left.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from panope_backends.api.generation import SamplingParams
from panope_backends.generation.sampling.exponentials import exponentials
from panope_backends.generation.sampling.largest import Maxima, top_with_ties
from panope_backends.generation.sampling.nucleus import nucleus
from panope_backends.generation.sampling.sums import place_of_chance, sums_of_blocks

Array = np.ndarray[Any, Any]


class Distribution:
    """The tokens that settings leave, with weights in proportion to their probabilities.

    Attributes:
        token_ids: ascending; None for all.
        weights: float32.
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
        index = place_of_chance(self.weights, chance)
        return index if self.token_ids is None else int(self.token_ids[index])


def distribution(logits: Array, params: SamplingParams, out: Array) -> Distribution | None:
    """What there is to draw from; None where the largest logit is no finite number.

    Args:
        logits: float32 of all tokens, adjusted.
        params: its temperature is above 0.
        out: float32 of the same size; it is overwritten, and may be a part of what is returned.
    """
    has_top_k = 0 < params.top_k < logits.size
    maxima = Maxima(logits) if has_top_k or params.top_p < 1 else None
    largest = float(logits.max()) if maxima is None else maxima.largest
    if not math.isfinite(largest):  # a NaN is taken for the largest
        return None
    token_ids = None
    if has_top_k and maxima is not None:
        token_ids = top_with_ties(logits, params.top_k, maxima)
        logits, out, maxima = logits[token_ids], out[: len(token_ids)], None
    exponentials(logits, largest, out, 1 / params.temperature)
    left = Distribution(out, token_ids)
    if params.top_p < 1:
        total = float(sums_of_blocks(left.weights).sum())
        left = left.only(nucleus(left.weights, params.top_p, total, maxima))
    if params.min_p > 0:
        lightest = np.float32(params.min_p) * left.weights.max()
        left = left.only((left.weights >= lightest).nonzero()[0])
    return left
