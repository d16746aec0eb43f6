"""What the tasks of models that read texts say of their inputs and outputs: forms, limits, parts, costs and usage."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from panope.worker.v1 import text_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.catalog import requests_of, task_named, task_of
from panope_server.tasks.fill_mask import Filling, FillMaskInput, FillMaskOutput
from panope_server.tasks.question_answer import Answer, QuestionAnswerInput, QuestionAnswerOutput
from panope_server.tasks.task import Input
from panope_server.tasks.text_spec import TextSpec

LIMITS = Limits(max_items=64, max_text_bytes=1000)
ASKED = QuestionAnswerInput(["q"], ["c"], 2, 0, 9, 5, 64, True, False, first_index=3)
FILLED = FillMaskInput(["a"], 2, ["x"], truncation="end", first_index=3)


def test_the_message_to_a_worker_holds_every_field() -> None:
    assert messages.QuestionAnswerInput.FromString(task_of(ASKED).encode(ASKED)) == messages.QuestionAnswerInput(
        questions=["q"],
        contexts=["c"],
        top_k=2,
        doc_stride=0,
        max_answer_len=9,
        max_question_len=5,
        max_seq_len=64,
        handle_impossible_answer=True,
        align_to_words=False,
        first_index=3,
    )
    assert messages.FillMaskInput.FromString(task_of(FILLED).encode(FILLED)) == messages.FillMaskInput(
        texts=["a"], top_k=2, targets=["x"], truncation="end", first_index=3
    )


def test_answers_of_workers_are_read_and_told_as_values() -> None:
    found = messages.Answers(answers=[messages.Answer(answer="a", score=0.5, start=1, end=2)])
    told = messages.QuestionAnswerOutput(questions=[found], token_counts=[9])
    task = task_named("question-answer")
    answers = task.decode(told.SerializeToString())
    assert answers == QuestionAnswerOutput([[Answer("a", 0.5, 1, 2)]], [9], [])
    assert task.json.value_of(answers) == [[{"answer": "a", "score": 0.5, "start": 1, "end": 2}]]
    mask = messages.Fillings(fillings=[messages.Filling(token_id=7, token="t", score=0.5, sequence="s")])
    filled = messages.FillMaskOutput(texts=[messages.Masks(masks=[mask])], token_counts=[4], truncated_indices=[0])
    task = task_named("fill-mask")
    fillings = task.decode(filled.SerializeToString())
    assert fillings == FillMaskOutput([[[Filling(7, "t", 0.5, "s")]]], [4], [0])
    assert task.json.value_of(fillings) == [[[{"score": 0.5, "token": 7, "token_str": "t", "sequence": "s"}]]]
    assert task.usage(fillings).input_units == 4


@pytest.mark.parametrize("name", ["question-answer", "fill-mask"])
def test_what_a_worker_tells_of_a_model_is_kept(name: str) -> None:
    facts = messages.TextFacts(max_tokens=9, mask_token="[MASK]").SerializeToString()
    assert task_named(name).facts_of(wire.Ready(facts=facts, batching="any")) == TextSpec(9, "[MASK]", "any")


@pytest.mark.parametrize(
    ("name", "value", "task_input"),
    [
        ("fill-mask", "a", FillMaskInput(["a"])),
        ("fill-mask", {"texts": ["a"], "top_k": 2.0, "targets": ["x"]}, FillMaskInput(["a"], 2, ["x"])),
        ("question-answer", {"questions": ["q"], "contexts": ["c"]}, QuestionAnswerInput(["q"], ["c"])),
        (
            "question-answer",
            {"questions": ["q"], "contexts": ["c"], "top_k": 3, "doc_stride": 0.0, "align_to_words": False},
            QuestionAnswerInput(["q"], ["c"], 3, 0, align_to_words=False),
        ),
    ],
)
def test_values_are_read(name: str, value: object, task_input: Input) -> None:
    form = task_named(name).json
    assert form.input_of(msgspec.convert(value, form.schema)) == task_input


def test_long_contexts_run_in_parts_and_short_ones_together() -> None:
    short = QuestionAnswerInput(["q"] * 40, ["short"] * 40)
    assert [request.items for request in requests_of(short)] == [32, 8]
    long = QuestionAnswerInput(["q"] * 5, ["x" * 40_000, "y", "z" * 40_000, "w" * 90_000, "v"])
    parts = task_of(long).split(long, 32)
    assert [(part.first_index, len(part.questions)) for part in parts] == [(0, 2), (2, 1), (3, 1), (4, 1)]
    assert [text for part in parts for text in part.contexts] == long.contexts
    masks = FillMaskInput(["a"] * 20)
    assert [request.items for request in requests_of(masks)] == [8, 8, 4]


@pytest.mark.parametrize(
    ("task_input", "field"),
    [
        (QuestionAnswerInput([], []), "questions"),
        (QuestionAnswerInput(["q"], []), "contexts"),
        (QuestionAnswerInput(["q", "r"], ["c"]), "contexts"),
        (QuestionAnswerInput([""], ["c"]), "questions[0]"),
        (QuestionAnswerInput(["q"], ["c" * 1001]), "contexts[0]"),
        (QuestionAnswerInput(["q"], ["c"], top_k=0), "top_k"),
        (QuestionAnswerInput(["q"], ["c"], top_k=101), "top_k"),
        (QuestionAnswerInput(["q"], ["c"], max_answer_len=1025), "max_answer_len"),
        (QuestionAnswerInput(["q"], ["c"], doc_stride=-1), "doc_stride"),
        (QuestionAnswerInput(["q"], ["c"], max_seq_len=0), "max_seq_len"),
        (QuestionAnswerInput(["q"], ["c"], max_question_len=0), "max_question_len"),
        (FillMaskInput([]), "texts"),
        (FillMaskInput(["a"], top_k=0), "top_k"),
        (FillMaskInput(["a"], targets=["x"] * 1001), "targets"),
        (FillMaskInput(["a"], targets=["x" * 257]), "targets[0]"),
        (FillMaskInput(["a"], truncation="left"), "truncation"),
    ],
)
def test_what_no_model_could_run_is_refused_by_name(task_input: Any, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        task_of(task_input).validate(task_input, LIMITS)
    assert caught.value.field == field


def test_questions_are_answered_and_kept_one_by_one() -> None:
    task = task_named("question-answer")
    asked = QuestionAnswerInput(["q", "r"], ["c", "d"])
    assert task.canonical(asked, None).items == [("q", "c"), ("r", "d")]
    assert task.pick(asked, [1]) == QuestionAnswerInput(["r"], ["d"])
    assert task.path_at("contexts[0]", [1]) == "contexts[1]"
    assert task.text_of(asked) == "q\nr"
