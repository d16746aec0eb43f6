"""Task `table-question-answer`: questions about a table to the cells that answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from msgspec import Struct

from panope.worker.v1 import text_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.json_values import names_in_value
from panope_server.tasks.task import Canonical, JsonForm, Workload
from panope_server.tasks.text_spec import TextSpec, text_spec_of
from panope_server.tasks.texts import BatchInput, TextsOutput, TextsTask, text_cost
from panope_server.tasks.validation import check_length, check_texts, check_word
from panope_server.tasks.workload import SingleWorkload, text_of

#: Models read about 500 cells at once; what they cannot read counts for the ranks of numbers alone.
MAX_CELLS = 4096
MAX_CELL_CHARACTERS = 512
MAX_TABLE_CHARACTERS = 1 << 16
MAX_QUESTIONS = 32
MAX_QUESTION_CHARACTERS = 4096

_TRUNCATIONS = ("refuse", "end")


@dataclass(slots=True)
class TableQuestionInput(BatchInput):
    """Questions about one table.

    Attributes:
        columns: the names of its columns.
        rows: as many cells each as there are columns.
        sequential: whether each question is asked knowing the answer to the one before.
    """

    columns: list[str]
    rows: list[list[str]]
    questions: list[str]
    sequential: bool = False


@dataclass(slots=True)
class TableCell:
    """A cell of a table; rows and columns are counted from 0."""

    row: int
    column: int
    text: str


@dataclass(slots=True)
class TableAnswer:
    """The answer to a question.

    Attributes:
        answer: the texts of the cells, behind what is to be done with them.
        cells: in the order of the table.
        aggregator: what is to be done with the cells, such as `SUM`; empty where the model does not say it.
        row_count: rows of the table that the model read.
    """

    answer: str
    cells: list[TableCell] = field(default_factory=list)
    aggregator: str = ""
    row_count: int = 0


@dataclass(slots=True)
class TableQuestionOutput(TextsOutput):
    """The answer to each question, in the order of the questions."""

    answers: list[TableAnswer]
    token_counts: list[int]
    truncated_indices: list[int]


class TableQuestionValue(Struct, forbid_unknown_fields=True):
    """The value of task `table-question-answer`; its fields mean what they mean in AnswerTableQuestionRequest."""

    columns: list[str]
    rows: list[list[str]]
    questions: list[str]
    sequential: bool = False
    truncation: Literal["refuse", "end"] = "refuse"


class TableQuestionJsonForm(JsonForm[TableQuestionInput, TableQuestionOutput]):
    """A table with questions to an answer for each."""

    schema: ClassVar[Any] = TableQuestionValue

    def input_of(self, value: TableQuestionValue) -> TableQuestionInput:
        """The questions."""
        return TableQuestionInput(
            value.columns, value.rows, value.questions, value.sequential, truncation=value.truncation
        )

    def value_of(self, output: TableQuestionOutput) -> list[dict[str, Any]]:
        """The answers."""
        return [table_answer_value(answer) for answer in output.answers]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Each in the value; the table is its columns and rows."""
        return {**names_in_value(value, TableQuestionValue, "questions"), "table": "value.rows"}


class TableQuestionAnswerTask(TextsTask[TableQuestionInput, TableQuestionOutput]):
    """Questions about a table to cells."""

    name = "table-question-answer"
    input_type = TableQuestionInput
    output_type = TableQuestionOutput
    item_lists = ("questions",)
    json = TableQuestionJsonForm()
    workloads: ClassVar[Sequence[Workload]] = (
        SingleWorkload("table-question-answer-24-cells", lambda number, _: _measured(number)),
    )

    def encode(self, task_input: TableQuestionInput) -> bytes:
        """The table and the questions."""
        message = messages.TableQuestionInput(
            columns=task_input.columns,
            rows=[messages.TableRow(cells=cells) for cells in task_input.rows],
            questions=task_input.questions,
            sequential=task_input.sequential,
            truncation=task_input.truncation,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> TableQuestionOutput:
        """The answers."""
        message = messages.TableQuestionOutput.FromString(data)
        return TableQuestionOutput(
            answers=[
                TableAnswer(
                    found.answer,
                    [TableCell(cell.row, cell.column, cell.text) for cell in found.cells],
                    found.aggregator,
                    found.row_count,
                )
                for found in message.answers
            ],
            token_counts=list(message.token_counts),
            truncated_indices=list(message.truncated_indices),
        )

    def cost(self, task_input: TableQuestionInput, data: bytes) -> tuple[int, int]:
        """Questions, each with the table."""
        items, size = text_cost(task_input.questions, [])
        return items, size + items * len(data)

    def split(self, task_input: TableQuestionInput, max_items: int) -> Sequence[TableQuestionInput]:
        """Whole: there are few questions, and the table is made tokens of once."""
        del max_items
        return [task_input]

    def canonical(self, task_input: TableQuestionInput, facts: object) -> Canonical | None:
        """Each question with the table; none of questions whose answers depend on those before."""
        if task_input.sequential and len(task_input.questions) > 1:
            return None
        found = TextsTask.canonical(self, task_input, facts)
        assert found is not None
        return Canonical(found.options, found.items, found.size_bytes + _characters(task_input))

    def text_of(self, task_input: TableQuestionInput) -> str:
        """The questions, a line each."""
        return "\n".join(task_input.questions)

    def agreement(self, expected: TableQuestionOutput, found: TableQuestionOutput) -> float:
        """The questions with the same cells and the same aggregator."""
        told = (
            [(each.aggregator, [(cell.row, cell.column) for cell in each.cells]) for each in output.answers]
            for output in (expected, found)
        )
        return agreement.of_each(lambda one, other: float(one == other), *told)

    def validate(self, task_input: TableQuestionInput, limits: Limits) -> None:
        """Checks every field."""
        check_texts(task_input.questions, limits, "questions")
        if (count := len(task_input.questions)) > MAX_QUESTIONS:
            raise InvalidInputError.at(
                "questions", "{field} has {count:,} items; the limit is {limit:,}", count=count, limit=MAX_QUESTIONS
            )
        for index, question in enumerate(task_input.questions):
            check_length(question, f"questions[{index}]", MAX_QUESTION_CHARACTERS)
        check_word(task_input.truncation, "truncation", _TRUNCATIONS)
        _check_table(task_input)

    def facts_of(self, ready: wire.Ready) -> TextSpec:
        """What the model reads at once."""
        return text_spec_of(ready)


def _check_table(task_input: TableQuestionInput) -> None:
    columns, rows = len(task_input.columns), len(task_input.rows)
    if not columns or not rows:
        raise InvalidInputError.at("table", "{field} has no {what}", what="rows" if columns else "columns")
    for index, cells in enumerate(task_input.rows):
        if len(cells) != columns:
            raise InvalidInputError.at(
                "table",
                "{field} has {columns:,} columns, and {count:,} cells in the row at {index:,}",
                columns=columns,
                count=len(cells),
                index=index,
            )
    if (count := columns * rows) > MAX_CELLS:
        raise InvalidInputError.at(
            "table", "{field} has {count:,} cells; the limit is {limit:,}", count=count, limit=MAX_CELLS
        )
    for cells in (task_input.columns, *task_input.rows):
        if (count := max(map(len, cells))) > MAX_CELL_CHARACTERS:
            raise InvalidInputError.at(
                "table",
                "{field} has a cell or a name of {count:,} characters; the limit is {limit:,}",
                count=count,
                limit=MAX_CELL_CHARACTERS,
            )
    if (count := _characters(task_input)) > MAX_TABLE_CHARACTERS:
        raise InvalidInputError.at(
            "table", "{field} has {count:,} characters; the limit is {limit:,}", count=count, limit=MAX_TABLE_CHARACTERS
        )


def _characters(task_input: TableQuestionInput) -> int:
    return sum(sum(map(len, cells)) for cells in (task_input.columns, *task_input.rows))


def _measured(number: int) -> TableQuestionInput:
    rows = [[text_of(number * 8 + row, 2), str(10 + row), text_of(row, 1)] for row in range(8)]
    return TableQuestionInput(["name", "age", "town"], rows, [f"how old is the one at {number}?"])


def table_answer_value(answer: TableAnswer) -> dict[str, Any]:
    """An answer in JSON, as transformers' pipeline has it."""
    told: dict[str, Any] = {
        "answer": answer.answer,
        "coordinates": [[cell.row, cell.column] for cell in answer.cells],
        "cells": [cell.text for cell in answer.cells],
    }
    return told | ({"aggregator": answer.aggregator} if answer.aggregator else {})
