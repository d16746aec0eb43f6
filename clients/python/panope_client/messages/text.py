"""Requests to answer questions and to fill masks, from arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from panope.v1 import text_service_pb2 as pb
from panope_client.arguments import check_options, request_of
from panope_client.errors import InvalidArgumentError
from panope_client.messages.embed import Truncation, truncation_of


class AnswerQuestionOptions(TypedDict, total=False):
    """How to answer questions.

    Attributes:
        top_k: how many answers to tell of each question; 1 by default.
        doc_stride: how many tokens of a context each window begins with that the one before ends with.
        max_answer_len: the most tokens of an answer; 15 by default.
        max_question_len: how many tokens of a question are read; default all.
        max_seq_len: the tokens of a window, the question's included; 384 by default, or as many as the model takes.
        handle_impossible_answer: whether "no answer" is an answer too, an empty one.
        align_to_words: whether answers are made of whole words; they are by default.
    """

    top_k: int | None
    doc_stride: int | None
    max_answer_len: int | None
    max_question_len: int | None
    max_seq_len: int | None
    handle_impossible_answer: bool
    align_to_words: bool | None


class AnswerTableQuestionOptions(TypedDict, total=False):
    """How to answer questions about a table.

    Attributes:
        sequential: whether each question is asked knowing the answer to the one before.
        truncation: what to do with a table that the model cannot read whole: `refuse` it (the default), or leave out
            words and rows at its `end`.
    """

    sequential: bool
    truncation: Truncation


class FillMaskOptions(TypedDict, total=False):
    """What to tell of masks.

    Attributes:
        top_k: how many tokens to tell of each mask; 5 by default.
        targets: the only tokens that are told; default all.
        truncation: what to do with a text that is too long: `refuse` it (the default), or cut tokens off its `end` or
            `start`.
    """

    top_k: int | None
    targets: Sequence[str]
    truncation: Truncation


def answer_question_request(
    questions: Sequence[str], contexts: Sequence[str], model: str, options: AnswerQuestionOptions
) -> pb.AnswerQuestionRequest:
    """Makes the request to answer questions.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, AnswerQuestionOptions)
    return request_of(
        pb.AnswerQuestionRequest,
        model=model,
        questions=questions,
        contexts=contexts,
        top_k=options.get("top_k"),
        doc_stride=options.get("doc_stride"),
        max_answer_len=options.get("max_answer_len"),
        max_question_len=options.get("max_question_len"),
        max_seq_len=options.get("max_seq_len"),
        handle_impossible_answer=options.get("handle_impossible_answer", False),
        align_to_words=options.get("align_to_words"),
    )


def answer_table_question_request(
    table: Mapping[str, Sequence[object]], questions: Sequence[str], model: str, options: AnswerTableQuestionOptions
) -> pb.AnswerTableQuestionRequest:
    """Makes the request to answer questions about a table.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, AnswerTableQuestionOptions)
    return request_of(
        pb.AnswerTableQuestionRequest,
        model=model,
        table=_table_of(table),
        questions=questions,
        sequential=options.get("sequential", False),
        truncation=truncation_of(options),
    )


def _table_of(table: object) -> pb.Table:
    if not isinstance(table, Mapping) or any(isinstance(cells, str | bytes) for cells in table.values()):
        raise InvalidArgumentError(
            "`table` must be a mapping of each column's name to a list of its cells", field="table"
        )
    columns = [[str(cell) for cell in cells] for cells in table.values()]
    if len({len(cells) for cells in columns}) > 1:
        raise InvalidArgumentError("`table` has columns of different lengths", field="table")
    rows = [request_of(pb.TableRow, cells=cells) for cells in zip(*columns, strict=True)]
    return request_of(pb.Table, columns=[str(name) for name in table], rows=rows)


def fill_mask_request(texts: Sequence[str], model: str, options: FillMaskOptions) -> pb.FillMaskRequest:
    """Makes the request to fill masks.

    Raises:
        InvalidArgumentError: an argument is unknown or has a wrong value.
    """
    check_options(options, FillMaskOptions)
    return request_of(
        pb.FillMaskRequest,
        model=model,
        texts=texts,
        top_k=options.get("top_k"),
        targets=options.get("targets", ()),
        truncation=truncation_of(options),
    )
