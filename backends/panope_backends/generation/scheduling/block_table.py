"""The block table of one sequence, kept as the array that steps are made of."""

from __future__ import annotations

from typing import Any

import numpy as np


class BlockTable:
    """Block numbers, in the order of the positions that they hold."""

    __slots__ = ("_length", "_numbers")

    def __init__(self) -> None:
        self._numbers = np.empty(8, np.int32)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        return int(self._numbers[: self._length][index])

    def append(self, block: int) -> None:
        """Adds one block."""
        if self._length == len(self._numbers):
            self._numbers = np.resize(self._numbers, 2 * self._length)
        self._numbers[self._length] = block
        self._length += 1

    def first(self, count: int) -> np.ndarray[Any, Any]:
        """int32 `[count]`: a view, valid until the table changes."""
        view: np.ndarray[Any, Any] = self._numbers[:count]
        return view

    def to_list(self) -> list[int]:
        """All numbers."""
        numbers: list[int] = self._numbers[: self._length].tolist()
        return numbers

    def clear(self) -> list[int]:
        """Empties the table and gives what it held."""
        numbers = self.to_list()
        self._length = 0
        return numbers
