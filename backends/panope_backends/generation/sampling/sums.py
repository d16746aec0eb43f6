"""Sums over a vocabulary, exact enough for probabilities and fast: by blocks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 512


def sums_of_blocks(weights: Array) -> Array:
    """float64: the sum of each block of `BLOCK` weights, the last of which may be shorter.

    A running sum over a large vocabulary takes fifty times as long, NumPy's sum three times.
    """
    whole, rest = divmod(weights.size, BLOCK)
    sums = np.empty(whole + bool(rest))
    sums[:whole] = np.einsum("ij->i", weights[: whole * BLOCK].reshape(-1, BLOCK))
    if rest:
        sums[whole] = weights[whole * BLOCK :].sum(dtype=np.float64)
    return sums


def place_in_sum(weights: Array, target: float, side: Literal["left", "right"] = "right") -> int:
    """The index of the weight with which the running sum passes a target.

    It is always that of a weight above 0, however the sums are rounded: the last where the target is past them all.

    Args:
        weights: at least one is above 0.
        target: at least 0.
        side: `left` where reaching the target is enough.
    """
    if weights.size <= BLOCK:
        return _place(weights.cumsum(dtype=np.float64), weights, target, side)
    sums = sums_of_blocks(weights)
    return _place_in_blocks(weights, sums, sums.cumsum(), target, side)


def place_of_chance(weights: Array, chance: float) -> int:
    """The index of the weight with which the running sum passes a part, in [0, 1), of the whole sum."""
    if weights.size <= BLOCK:
        ends = weights.cumsum(dtype=np.float64)
        return _place(ends, weights, chance * float(ends[-1]), "right")
    sums = sums_of_blocks(weights)
    ends = sums.cumsum()
    return _place_in_blocks(weights, sums, ends, chance * float(ends[-1]), "right")


def _place_in_blocks(weights: Array, sums: Array, ends: Array, target: float, side: Literal["left", "right"]) -> int:
    block = _place(ends, sums, target, side)
    inside = weights[block * BLOCK : (block + 1) * BLOCK]
    rest = target - float(ends[block] - sums[block])
    return block * BLOCK + _place(inside.cumsum(dtype=np.float64), inside, rest, side)


def _place(ends: Array, weights: Array, target: float, side: Literal["left", "right"]) -> int:
    place = int(ends.searchsorted(target, side=side))
    if place < len(weights) and weights[place] > 0:
        return place
    return int(weights.nonzero()[0][-1])
