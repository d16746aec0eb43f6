"""The fewest largest weights that have a part of them all: what top_p leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

from panope_backends.generation.sampling.largest import Maxima
from panope_backends.generation.sampling.sums import place_in_sum

Array = np.ndarray[Any, Any]

_TRIES = (64, 1024)
"""How many of the largest weights are looked at first: trained models are mostly sure of themselves."""

_SORTED = 16_384
"""So many weights are sorted faster than counted."""


def nucleus(weights: Array, mass: float, maxima: Maxima | None) -> Array:
    """Indices, ascending, of the fewest largest weights that weigh `mass` together, at least one.

    A weight stays where those before it do not reach the mass; of equal ones at the border the first stay.

    Args:
        weights: float32, none below 0.
        mass: what they must weigh.
        maxima: of the weights, or of numbers in the same order; None for few weights.
    """
    if maxima is not None and maxima.groups:
        for count in _TRIES if maxima.groups > _TRIES[-1] else _TRIES[:1]:
            indices = maxima.at_least(count)
            candidates = weights[indices]
            if float(candidates.sum(dtype=np.float64)) >= mass:
                return indices[_heaviest(candidates, mass)]
    if weights.size <= _SORTED:
        return _heaviest(weights, mass)
    return _heaviest_of_many(weights, mass)


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
