"""Makes jobs of the messages of the task table-question-answer, and answers of what the model gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from panope.worker.v1 import text_pb2 as messages
from panope_backends.api import Arrays
from panope_backends.errors import InvalidInputError
from panope_backends.model_facts.table_models import LOGITS
from panope_backends.tasks.table_question_answer.flattening import (
    COLUMN,
    PREVIOUS,
    ROW,
    Flat,
    Table,
    TableTokens,
    padded,
)
from panope_backends.tasks.table_question_answer.tokenizing import PAD, TableFiles
from panope_backends.tasks.table_question_answer.values import Values
from panope_backends.tasks.task import ArrayItem, ArrayJob

#: What drops rows that do not fit, and refuses nothing but what fits without any.
_CUT = "end"

#: Questions of about one length run together; a masked token changes nothing.
_STEP = 32

#: Logits below it are taken for it, as transformers does: their powers would be no numbers.
_LEAST_LOGIT = -88.7

#: The mean probability of a cell's tokens, above which the cell is part of the answer.
_LEAST_PROBABILITY = 0.5

#: What joins the cells of an answer, and what stands between an aggregator and them.
_JOINT, _OF = ", ", " > "

Cells = dict[tuple[int, int], float]
"""How likely each cell is part of an answer, by its row and column."""


class TableJob(ArrayJob):
    """The answers to questions about one table.

    Args:
        message: of the request.
        flats: the tokens of each question.
        files: how tables become tokens.
        aggregators: the model's names of what is to be done with the cells; none for a model that says nothing of it.
        no_aggregator: which of them is none.
    """

    def __init__(
        self,
        message: messages.TableQuestionInput,
        flats: Sequence[Flat],
        files: TableFiles,
        aggregators: Sequence[str],
        no_aggregator: int | None,
    ) -> None:
        self._message, self._flats, self._files = message, flats, files
        self._aggregators, self._no_aggregator = aggregators, no_aggregator
        self._done: list[Arrays] = []
        self.items = [self._item(flat) for flat in (flats[:1] if message.sequential else flats)]

    def next_items(self, rows: Sequence[Arrays]) -> Sequence[ArrayItem]:
        """The next question, which knows the answer to the one before, where they are asked in sequence."""
        self._done += rows
        if len(self._done) == len(self._flats):
            return ()
        last, flat = self._flats[len(self._done) - 1], self._flats[len(self._done)]
        before = _cells(last, self._done[-1][LOGITS])
        for at in np.flatnonzero(flat.types[:, ROW] > 0):
            place = (int(flat.types[at, ROW]) - 1, int(flat.types[at, COLUMN]) - 1)
            flat.types[at, PREVIOUS] = before.get(place, 0.0) > _LEAST_PROBABILITY
        return [self._item(flat)]

    def answer(self, rows: Sequence[Arrays]) -> bytes:
        """The cells of each answer."""
        del rows  # `next_items` has seen them
        output = messages.TableQuestionOutput(
            answers=[self._answer(flat, row[LOGITS]) for flat, row in zip(self._flats, self._done, strict=True)],
            token_counts=[len(flat.ids) for flat in self._flats],
            truncated_indices=[at for at, flat in enumerate(self._flats, self._message.first_index) if flat.is_cut],
        )
        return output.SerializeToString()

    def _item(self, flat: Flat) -> ArrayItem:
        arrays = dict(padded(flat, self._files.ids[PAD], _STEP, self._files.max_tokens))
        return ArrayItem(arrays, len(arrays["input_ids"]))

    def _answer(self, flat: Flat, values: NDArray[np.float32]) -> messages.TableAnswer:
        cells = _cells(flat, values)
        chosen = sorted(place for place, likely in cells.items() if likely > _LEAST_PROBABILITY)
        texts = [self._message.rows[row].cells[column] for row, column in chosen]
        aggregator, before = "", ""
        if self._aggregators:
            found = int(values[len(values) - len(self._aggregators) :].argmax())
            aggregator = self._aggregators[found]
            before = aggregator + _OF if found != self._no_aggregator else ""
        return messages.TableAnswer(
            answer=before + _JOINT.join(texts),
            cells=[
                messages.TableCell(row=row, column=column, text=text)
                for (row, column), text in zip(chosen, texts, strict=True)
            ],
            aggregator=aggregator,
            row_count=flat.rows,
        )


class TableRequests:
    """Prepares requests to one model.

    Args:
        files: how tables become tokens.
        values: parses numbers and dates.
        aggregators: as of `TableJob`.
        no_aggregator: as of `TableJob`.
    """

    def __init__(
        self, files: TableFiles, values: Values, aggregators: Sequence[str], no_aggregator: int | None
    ) -> None:
        self._files, self._values = files, values
        self._aggregators, self._no_aggregator = aggregators, no_aggregator

    def sample(self, number: int) -> ArrayItem:
        """A table to try with, another of each number."""
        message = messages.TableQuestionInput(columns=["name", "age"], questions=["how old is ada?"], truncation=_CUT)
        message.rows.add(cells=["ada", str(20 + number)])
        (item,) = self._job(message).items
        return item

    def answer(self, data: bytes) -> TableJob:
        """Makes tokens of the table with each question.

        Raises:
            InvalidInputError: names the field and the limit.
        """
        message = messages.TableQuestionInput.FromString(data)
        count = len(message.columns)
        if not message.questions or not message.rows or any(len(row.cells) != count for row in message.rows):
            raise InvalidInputError.at("table", "{field} has no rows of as many cells as it has columns")
        if count > self._files.max_columns:
            raise InvalidInputError.at(
                "table",
                "{field} has {count:,} columns; the model takes at most {limit:,}",
                count=count,
                limit=self._files.max_columns,
            )
        return self._job(message)

    def _job(self, message: messages.TableQuestionInput) -> TableJob:
        table = Table(list(message.columns), [list(row.cells) for row in message.rows])
        tokens = TableTokens(table, self._files, self._values)
        flats = []
        for index, question in enumerate(message.questions, message.first_index):
            if (flat := tokens.flat(question, truncate=message.truncation == _CUT)) is None:
                raise self._too_long(message, index)
            flats.append(flat)
        return TableJob(message, flats, self._files, self._aggregators, self._no_aggregator)

    def _too_long(self, message: messages.TableQuestionInput, index: int) -> InvalidInputError:
        what = (
            "and the names of the table's columns do not"
            if message.truncation == _CUT
            else "and the whole table do not"
        )
        return InvalidInputError.at(
            f"questions[{index}]",
            "{field} " + what + " fit into {limit:,} tokens and {rows:,} rows, which the model reads at once",
            limit=self._files.max_tokens,
            rows=self._files.max_rows,
        )


def _cells(flat: Flat, values: NDArray[np.float32]) -> Cells:
    """The mean probability of each cell's tokens."""
    logits = np.maximum(values[: len(flat.ids)], _LEAST_LOGIT).astype(np.float32)
    likely = (1 / (1 + np.exp(-logits))).tolist()
    of_cells: dict[tuple[int, int], list[float]] = {}
    for at in np.flatnonzero(flat.types[:, ROW] > 0):
        place = (int(flat.types[at, ROW]) - 1, int(flat.types[at, COLUMN]) - 1)
        of_cells.setdefault(place, []).append(likely[at])
    return {place: float(np.mean(each)) for place, each in of_cells.items()}
