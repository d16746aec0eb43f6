"""The body of questions about a table, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.hugging_face.schemas import CallOptions

_Text = Annotated[str, Meta(min_length=1)]

TableColumns = Annotated[dict[str, list[str | int | float]], Meta(min_length=1)]
"""The cells of each column, by the column's name."""


class TableQuestionJson(Struct, forbid_unknown_fields=True):
    """A table, and a question about it or several.

    Attributes:
        query: A question, or up to 32.
        table: The cells of each column by the column's name, texts or numbers: as many in each, and no more than 4,096
            in all.
    """

    query: _Text | Annotated[list[_Text], Meta(min_length=1)]
    table: TableColumns


class TableParameters(Struct, forbid_unknown_fields=True, kw_only=True):
    """How to answer, in the words of the Inference API.

    Attributes:
        padding: How questions that run together are brought to one length, which changes no answer.
        sequential: Whether each question is asked knowing the answer to the one before. Default: `false`.
        truncation: Whether words and rows that do not fit are left out; `false` refuses such a table. Default: `true`.
    """

    padding: bool | Literal["do_not_pad", "longest", "max_length"] | None = None
    sequential: bool | None = None
    truncation: bool | Literal["drop_rows_to_fit", "do_not_truncate"] | None = None


class TableBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/table-question-answering: what InferenceClient.table_question_answering sends, and `model`.

    Attributes:
        inputs: A table with a question.
        model: Absent for the model of the path, or for the default model.
        parameters: How to answer.
        options: How to treat the call.
    """

    inputs: TableQuestionJson
    model: _Text | None = None
    parameters: TableParameters | None = None
    options: CallOptions | None = None


class TableAnswerJson(TypedDict):
    """An answer.

    Attributes:
        answer: the texts of the cells, behind the name of what is to be done with them, such as `SUM > 1, 2`.
        coordinates: the row and the column of each cell, from 0.
        cells: the texts of the cells.
        aggregator: what is to be done with the cells, such as `SUM`; absent where the model does not say it.
    """

    answer: str
    coordinates: list[list[int]]
    cells: list[str]
    aggregator: NotRequired[str]
