"""The fewest largest weights that have a part of them all: what top_p leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.generation.sampling.largest import Maxima
from panope_backends.generation.sampling.sums import place_in_sum

Array = np.ndarray[Any, Any]

_FIRST = 64
"""How many of the largest weights are looked at first: trained models are mostly sure of themselves."""

_STRIDE = 64
"""Of the others every so many-th tells how many are needed; a few more are taken, as it only estimates."""
_MARGIN = 8

_SORTED = 16_384
"""So many weights are sorted faster than counted."""


def nucleus(weights: Array, part: float, total: float, maxima: Maxima | None) -> Array:
    """Indices, ascending, of the fewest largest weights that weigh `part` of all, at least one.

    A weight stays where those before it do not reach that; of equal ones at the border the first stay.

    Args:
        weights: float32, none below 0.
        part: above 0.
        total: what all weigh.
        maxima: of the weights, or of numbers in the same order; None for few weights.
    """
    mass = part * total
    if weights.size <= _SORTED and (maxima is None or not maxima.groups):
        return _heaviest(weights, mass)
    indices = None if maxima is None else _enough(weights, mass, total, maxima)
    return _heaviest_of_many(weights, mass) if indices is None else indices[_heaviest(weights[indices], mass)]


def _enough(weights: Array, mass: float, total: float, maxima: Maxima) -> Array | None:
    """Indices, ascending, of all weights above some threshold, together `mass` or more; None where many are needed."""
    indices: Array = maxima.at_least(_FIRST)
    candidates = weights[indices]
    found = float(candidates.sum(dtype=np.float64))
    if found >= mass:
        return indices
    sample = weights[::_STRIDE]
    sample = sample[sample < candidates.min()]
    sample.sort()
    ends = sample[::-1].cumsum(dtype=np.float64)
    if not len(ends) or total <= found:
        return None
    wanted = (mass - found) / (total - found) * ends[-1]
    rank = int(ends.searchsorted(wanted)) * 5 // 4 + _MARGIN
    while rank < min(len(sample), _SORTED // _STRIDE):
        indices = (weights >= sample[-rank]).nonzero()[0]
        if float(weights[indices].sum(dtype=np.float64)) >= mass:
            return indices
        rank *= 2
    return None


def _heaviest(weights: Array, mass: float) -> Array:
    lightest_first = weights.copy()
    lightest_first.sort()
    count = 1 + place_in_sum(lightest_first[::-1], mass, side="left")
    return _first(weights, lightest_first[-count], count)


def _heaviest_of_many(weights: Array, mass: float) -> Array:
    """The same without sorting them all: they are weighed by the upper half of their bits, in which order is kept."""
    kinds = weights.view(np.uint32) >> 16
    masses = np.bincount(kinds, weights=weights)[::-1]
    kind = len(masses) - 1 - place_in_sum(masses, mass, side="left")
    heavier = kinds > kind
    alike = weights[kinds == kind]
    alike.sort()
    missing = max(0.0, mass - float(masses[: len(masses) - 1 - kind].sum()))
    count = 1 + place_in_sum(alike[::-1], missing, side="left")
    return _first(weights, alike[-count], int(np.count_nonzero(heavier)) + count)


def _first(weights: Array, border: np.float32, count: int) -> Array:
    """Indices of the `count` heaviest, the first of equal ones; `border` is the lightest of them."""
    are_kept = weights >= border
    if excess := int(np.count_nonzero(are_kept)) - count:
        are_kept[(weights == border).nonzero()[0][-excess:]] = False
    kept: Array = are_kept.nonzero()[0]
    return kept
