"""Tables with questions as the tokens that TAPAS reads: row by row, each with the place of its cell.

As transformers' TapasTokenizer makes them: where a table does not fit, words at the ends of its cells are left out, as
many in each, then its last rows. It tries one number of words after another over the whole table, for one number of
rows after another; here the words are counted once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panope_backends.tasks.table_question_answer.tokenizing import CLS, EMPTY, INNER, SEP, TableFiles
from panope_backends.tasks.table_question_answer.values import Values

#: Kinds of token types, in the order in which a model takes them.
SEGMENT, COLUMN, ROW, PREVIOUS, RANK, INVERSE_RANK, RELATION = range(7)
KINDS = 7

Types = NDArray[np.int64]

#: What is in a text beside letters and digits.
_NO_WORDS = re.compile(r"[^\w\d]+")
_NO_TEXTS = ("n/a", "?", "nan")


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        columns: the names of its columns.
        rows: as many cells each as there are columns.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Flat:
    """A question and what of a table goes with it.

    Attributes:
        ids: of the tokens.
        types: tokens × `KINDS`.
        rows: of the table that are read.
        is_cut: whether anything of the table was left out.
    """

    ids: NDArray[np.int64]
    types: Types
    rows: int
    is_cut: bool


@dataclass(frozen=True)
class _Cell:
    """The tokens of a cell.

    Attributes:
        ids: of them.
        starts: of each, where the word begins that it is of.
    """

    ids: Sequence[int]
    starts: Sequence[int]


class TableTokens:
    """One table as tokens, for any number of questions.

    Args:
        table: to flatten.
        files: how.
        values: parses numbers and dates.
    """

    def __init__(self, table: Table, files: TableFiles, values: Values) -> None:
        self._files, self._values, self._table = files, values, table
        names = [""] * len(table.columns) if files.strip_column_names else table.columns
        read = [names, *table.rows[: files.max_rows]]
        self._rows = [[_cell(self._tokens(cell)) for cell in row] for row in read]
        self._counts = [_counts(row) for row in self._rows]
        columns = [[row[at] for row in table.rows] for at in range(len(table.columns))]
        self._columns = [values.of_column(cells) for cells in columns]
        self._ranks = [values.ranks(column) for column in self._columns]

    def flat(self, question: str, *, truncate: bool) -> Flat | None:
        """The tokens of a question with the table; None where they do not fit.

        Args:
            question: about the table.
            truncate: whether words and rows that do not fit are left out.
        """
        asked = [token for _, token in self._tokens(question)]
        budget = self._files.max_tokens - len(asked) - 2
        rows, words = self._fitting(budget) if truncate else (len(self._table.rows), self._longest())
        kept = [
            (token, column + 1, row)
            for row, cells in enumerate(self._rows[: rows + 1])
            for column, cell in enumerate(cells)
            for token, start in zip(cell.ids, cell.starts, strict=True)
            if start < words
        ]
        if len(kept) > budget or rows >= len(self._rows):
            return None
        before = [self._files.ids[CLS], *asked, self._files.ids[SEP]]
        is_cut = rows < len(self._table.rows) or words < self._longest()
        types = np.zeros((len(before) + len(kept), KINDS), np.int64)
        types[len(before) :, SEGMENT] = 1
        if kept:
            types[len(before) :, COLUMN : ROW + 1] = [(column, row) for _, column, row in kept]
        self._add_values(types, question)
        return Flat(np.array([*before, *(token for token, _, _ in kept)]), types, rows, is_cut)

    def _add_values(self, types: Types, question: str) -> None:
        """Ranks, and relations to the numbers of the question; what a model has no row for gets its last one."""
        asked = self._values.of_question(question)
        most = self._files.type_sizes
        for column, values in enumerate(self._columns):
            related = self._values.relations(values, asked)
            for at in np.flatnonzero((types[:, COLUMN] == column + 1) & (types[:, ROW] > 0)):
                row = int(types[at, ROW]) - 1
                if rank := self._ranks[column].get(row):
                    types[at, RANK] = min(rank.ascending, most[RANK] - 1)
                    types[at, INVERSE_RANK] = min(rank.descending, most[INVERSE_RANK] - 1)
                types[at, RELATION] = related.get(row, 0)

    def _tokens(self, text: str) -> list[tuple[str, int]]:
        """The tokens of a text; the one for nothing where it has neither letters nor digits."""
        if not text:
            return []
        if _is_empty(text):
            return [(EMPTY, self._files.ids[EMPTY])]
        encoding = self._files.tokenizer.encode(text, add_special_tokens=False)
        return list(zip(encoding.tokens, encoding.ids, strict=True))

    def _longest(self) -> int:
        return max(len(counts) for counts in self._counts)

    def _fitting(self, budget: int) -> tuple[int, int]:
        """How many rows are read, and so many tokens at the beginning of each cell."""
        longest = self._longest()
        trim = self._files.cell_trim_length
        most = trim if 0 <= trim < longest else longest
        summed = np.zeros((len(self._counts), longest + 1), np.int64)
        for row, counts in enumerate(self._counts):
            summed[row, 1 : len(counts) + 1] = counts
            summed[row, len(counts) + 1 :] = 0
        # Tokens of the rows so far whose words begin within so many of their cells'.
        costs = summed.cumsum(axis=0).cumsum(axis=1)
        for rows in range(len(self._counts) - 1, 0, -1):
            over = np.flatnonzero(costs[rows, 1 : most + 1] > budget)
            words = int(over[0]) if len(over) else most
            if words == most or (words and trim < 0):
                return rows, words or 1
        return 0, 1


def _cell(tokens: Sequence[tuple[str, int]]) -> _Cell:
    starts: list[int] = []
    for at, (name, _) in enumerate(tokens):
        starts.append(starts[-1] if starts and name.startswith(INNER) else at)
    return _Cell([token for _, token in tokens], starts)


def _counts(row: Sequence[_Cell]) -> Sequence[int]:
    """How many tokens of a row are of words that begin at each place of their cell."""
    starts = [start for cell in row for start in cell.starts]
    return np.bincount(np.array(starts, np.int64)).tolist() if starts else []


def _is_empty(text: str) -> bool:
    text = text.lower().strip()
    return text in _NO_TEXTS or not _NO_WORDS.sub(" ", text).replace("_", " ").strip()


def padded(flat: Flat, pad_id: int, step: int, most: int) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """A model's inputs, padded to a multiple of `step`, so that questions of about one length run together."""
    count = len(flat.ids)
    width = max(count, min(most, -(-count // step) * step))
    ids = np.full(width, pad_id, np.int64)
    ids[:count] = flat.ids
    mask = np.zeros(width, np.int64)
    mask[:count] = 1
    types = np.zeros((width, KINDS), np.int64)
    types[:count] = flat.types
    yield "input_ids", ids
    yield "attention_mask", mask
    yield "token_type_ids", types
