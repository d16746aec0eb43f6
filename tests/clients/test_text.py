"""Asking questions and filling masks through either client."""

from __future__ import annotations

from typing import Any

import pytest

from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import text_service_pb2 as pb
from panope_client import InvalidArgumentError

MODEL = "vendor/fake"


async def test_questions_have_answers(client: Any, fake: Any) -> None:
    answer = await client.answer_question(["q"], ["c"], MODEL, top_k=2, doc_stride=0, handle_impossible_answer=True)
    await client.answer_question(["q"], ["c"], MODEL)

    assert answer.questions[0].answers[0].answer == "c"
    assert fake.requests == [
        pb.AnswerQuestionRequest(
            model=MODEL, questions=["q"], contexts=["c"], top_k=2, doc_stride=0, handle_impossible_answer=True
        ),
        pb.AnswerQuestionRequest(model=MODEL, questions=["q"], contexts=["c"]),
    ]


async def test_questions_about_tables_have_answers(client: Any, fake: Any) -> None:
    answer = await client.answer_table_question({"a": ["x", 1], "b": ["", 2.5]}, ["q"], MODEL, truncation="end")

    assert answer.answers[0].answer == "q"
    rows = [pb.TableRow(cells=["x", ""]), pb.TableRow(cells=["1", "2.5"])]
    table = pb.Table(columns=["a", "b"], rows=rows)
    asked = pb.AnswerTableQuestionRequest(model=MODEL, table=table, questions=["q"], truncation=embed_pb.TRUNCATION_END)
    assert fake.requests == [asked]


async def test_masks_are_filled(client: Any, fake: Any) -> None:
    answer = await client.fill_mask(["a"], MODEL, top_k=1, targets=["x"], truncation="end")

    assert answer.texts[0].masks[0].fillings[0].token == "a"
    assert fake.requests == [
        pb.FillMaskRequest(model=MODEL, texts=["a"], top_k=1, targets=["x"], truncation=embed_pb.TRUNCATION_END)
    ]


@pytest.mark.parametrize(
    ("call", "arguments", "options", "field", "words"),
    [
        ("answer_question", ("q", ["c"], MODEL), {}, "questions", "must be a list of str"),
        ("answer_question", (["q"], ["c"], MODEL), {"top_k": -1}, "top_k", "an integer from 0"),
        ("answer_question", (["q"], ["c"], MODEL), {"stride": 1}, "stride", "unknown option `stride`"),
        ("answer_table_question", ({"a": "xyz"}, ["q"], MODEL), {}, "table", "a mapping of each column's name"),
        ("answer_table_question", ([["x"]], ["q"], MODEL), {}, "table", "a mapping of each column's name"),
        ("answer_table_question", ({"a": ["x"], "b": []}, ["q"], MODEL), {}, "table", "columns of different lengths"),
        ("answer_table_question", ({"a": ["x"]}, "q", MODEL), {}, "questions", "must be a list of str"),
        ("fill_mask", ("a", MODEL), {}, "texts", "must be a list of str"),
        ("fill_mask", (["a"], MODEL), {"targets": "x"}, "targets", "must be a list of str"),
    ],
)
async def test_a_wrong_argument_is_refused_before_the_call(
    client: Any, fake: Any, call: str, arguments: tuple[Any, ...], options: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=words) as caught:
        await getattr(client, call)(*arguments, **options)
    assert caught.value.field == field
    assert not fake.requests
