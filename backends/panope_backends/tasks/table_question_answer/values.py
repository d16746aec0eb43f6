"""The numbers and dates of a table: how cells rank within their columns, and how they relate to those of a question.

The rules are those of TAPAS (Herzig et al., 2020) as transformers' TapasTokenizer has them, which needs pandas to run
them. Texts are parsed by its functions, which do not; how a column's values are chosen and compared is written here.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from panope_backends.media.processors import import_transformers

#: Of a column's cells that must have values of one kind, so that it is a column of values.
_LEAST_SHARE = 0.7

#: Bits of the relations of a cell to a value of the question.
_EQUAL, _LESS, _GREATER = 1, 2, 4

Column = Mapping[int, Any]
"""The value of each row that has one."""


@dataclass(frozen=True)
class CellRank:
    """Where a cell stands within its column, from 1.

    Attributes:
        ascending: among the column's values.
        descending: the same from the largest.
    """

    ascending: int
    descending: int


class Values:
    """Parses numbers and dates, by transformers.

    Raises:
        PreconditionError: transformers is not installed.
    """

    def __init__(self) -> None:
        import_transformers()
        self._tapas: Any = importlib.import_module("transformers.models.tapas.tokenization_tapas")

    def of_question(self, question: str) -> list[Any]:
        """Every value that a question names."""
        return self._parsed(question)

    def of_column(self, cells: Sequence[str]) -> Column:
        """The values of a column: of each cell the first of the kind that most cells have, dates before numbers.

        Args:
            cells: from the first row on.
        """
        found = [self._parsed(cell) for cell in cells]
        kinds = Counter(chain.from_iterable({_is_date(value) for value in values} for values in found))
        if not kinds or max(kinds.values()) < len(found) * _LEAST_SHARE:
            return {}
        dates = kinds[True] == max(kinds.values())
        return {
            row: next(value for value in values if _is_date(value) == dates)
            for row, values in enumerate(found)
            if any(_is_date(value) == dates for value in values)
        }

    def ranks(self, column: Column) -> Mapping[int, CellRank]:
        """The rank of each row that has a value; none where they cannot be compared."""
        key = self._key(column.values())
        if key is None:
            return {}
        keys = {row: key(value) for row, value in column.items()}
        ordered = {value: place for place, value in enumerate(sorted(set(keys.values())))}
        return {row: CellRank(ordered[value] + 1, len(ordered) - ordered[value]) for row, value in keys.items()}

    def relations(self, column: Column, asked: Sequence[Any]) -> Mapping[int, int]:
        """How the values of a question relate to those of rows, as bits; rows without a relation are left out.

        Args:
            column: the values of its rows.
            asked: the values of the question.
        """
        related: dict[int, int] = {}
        for group in _comparable(asked) if column else ():
            key = self._key([*column.values(), *group])
            if key is None:
                continue
            wanted = {key(value) for value in group}
            least, largest = min(wanted), max(wanted)
            for row, other in column.items():
                found = key(other)
                bits = _EQUAL * (found in wanted) | _LESS * (least < found) | _GREATER * (found < largest)
                related[row] = related.get(row, 0) | bits
        return related

    def _parsed(self, text: str) -> list[Any]:
        normal = self._tapas.normalize_for_match(text)
        return [value for span in self._tapas.parse_text(normal) for value in span.values]

    def _key(self, values: Any) -> Any:
        """What values are compared by; None where they cannot be."""
        given = list(values)
        try:
            return self._tapas.get_numeric_sort_key_fn(given) if given else None
        except ValueError:  # numbers beside dates, or dates that have nothing in common
            return None


def _comparable(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Values that are compared by the same: numbers, and dates that know the same of year, month and day.

    A question may be full of numbers, and each would go through the whole column.
    """
    groups: dict[tuple[bool, ...], list[Any]] = {}
    for value in values:
        known = [part is not None for part in vars(value.date).values()] if _is_date(value) else ()
        groups.setdefault((_is_date(value), *known), []).append(value)
    return groups.values()


def _is_date(value: Any) -> bool:
    return value.float_value is None
