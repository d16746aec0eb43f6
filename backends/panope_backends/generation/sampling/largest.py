"""The largest of many numbers, found without sorting or partitioning them all.

The numbers are parted into groups, and the largest of each group is kept: one look at each number, as fast as they are
read. The `count` groups with the largest of these hold `count` numbers above their least, and no other group has one:
what is found is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_SMALL = 4096
"""Of so few numbers all are looked at."""

_GROUP = 64
"""Numbers of a group; they lie as far from each other as there are groups, so that the largest is taken row by row."""

_FEW = 4
"""Reading a quarter of the groups one by one costs as much as looking at all numbers in their order."""


class Maxima:
    """The largest number of each group.

    Args:
        values: one-dimensional; they must not change while they are looked for.

    Attributes:
        groups: how many there are; 0 for few values, of which all are looked at.
    """

    __slots__ = ("_maxima", "_rest", "_values", "_whole", "groups")

    def __init__(self, values: Array) -> None:
        self._values = values
        self.groups = values.size // _GROUP if values.size > _SMALL else 0
        if self.groups:
            end = self.groups * _GROUP
            self._whole, self._rest = values[:end].reshape(_GROUP, self.groups), values[end:]
            self._maxima = self._whole.max(axis=0)
            first = self._maxima[: self._rest.size]
            np.maximum(first, self._rest, out=first)

    @property
    def largest(self) -> float:
        """Of all values; NaN where one is."""
        return float((self._maxima if self.groups else self._values).max())

    def at_least(self, count: int) -> Array:
        """Indices, ascending, of all values above some threshold: `count` of the largest at least, or all there are.

        Values that are minus infinity may be left out; there must be no NaN.
        """
        if count >= self.groups:
            return np.arange(self._values.size)
        threshold = np.partition(self._maxima, -count)[-count]
        found: Array
        if threshold == -np.inf or count > self.groups // _FEW:
            found = (self._values > -np.inf if threshold == -np.inf else self._values >= threshold).nonzero()[0]
            return found
        groups = (self._maxima >= threshold).nonzero()[0]
        rows, columns = (self._whole[:, groups] >= threshold).nonzero()
        found = rows * self.groups + groups[columns]
        rest = (self._rest >= threshold).nonzero()[0]
        return np.concatenate([found, rest + self._whole.size]) if len(rest) else found


def top(values: Array, count: int, maxima: Maxima) -> Array:
    """Indices of the `count` largest values, largest first and lower indices first among equals.

    Args:
        values: to look through.
        count: at least 1.
        maxima: of the values.
    """
    indices = maxima.at_least(count)
    if len(indices) < count:
        indices = np.arange(values.size)
    first: Array = indices[(-values[indices]).argsort(kind="stable")[:count]]
    return first


def top_with_ties(values: Array, count: int, maxima: Maxima) -> Array:
    """Indices, ascending, of the values that are not smaller than the `count`-th largest.

    Args:
        values: to look through.
        count: at least 1.
        maxima: of the values.
    """
    indices = maxima.at_least(count)
    chosen = values[indices]
    if len(chosen) <= count:
        return indices
    kept: Array = indices[chosen >= np.partition(chosen, -count)[-count]]
    return kept
