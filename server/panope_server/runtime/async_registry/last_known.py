"""What reads of the database told last, when reads overlap."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class LastKnown(Generic[T]):
    """Values by name, of reads of one name and reads of all names that run side by side.

    What the read that began later told stands, whichever ends first: a slow read of everything must not take away what
    was added while it ran, nor a slow read of one name bring back what is gone.
    """

    def __init__(self) -> None:
        self._moments = itertools.count(1)
        self._whole = 0
        self._single: dict[str, int] = {}
        self.values: dict[str, T] = {}

    def begin(self) -> int:
        """The moment at which a read begins."""
        return next(self._moments)

    def put(self, begun: int, name: str, value: T) -> None:
        """A read of one name has ended."""
        if begun > max(self._whole, self._single.get(name, 0)):
            self._single[name] = begun
            self.values[name] = value

    def replace(self, begun: int, values: Mapping[str, T]) -> bool:
        """A read of all names has ended.

        Returns:
            Whether it told everything; False when something was read later, so that all should be read again.
        """
        if begun < self._whole:
            return False
        self._whole = begun
        self._single = {name: moment for name, moment in self._single.items() if moment > begun}
        self.values = {**values, **{name: self.values[name] for name in self._single}}
        return not self._single
