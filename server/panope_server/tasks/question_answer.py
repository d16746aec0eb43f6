"""Task `question-answer`: questions and the texts that have the answers to the parts of these that answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct

from panope.worker.v1 import text_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks import agreement
from panope_server.tasks.json_values import names_in_value, whole_number
from panope_server.tasks.task import JsonForm, Workload
from panope_server.tasks.text_spec import TextSpec, text_spec_of
from panope_server.tasks.texts import BatchInput, TextsOutput, TextsTask, split_by_size, text_cost
from panope_server.tasks.validation import check_range, check_texts
from panope_server.tasks.workload import texts_workloads

MAX_ANSWERS = 100
MAX_ANSWER_TOKENS = 1024
MAX_WINDOW_TOKENS = 1 << 20


@dataclass(slots=True)
class QuestionAnswerInput(BatchInput):
    """Questions, and a context for each; see `AnswerQuestionRequest`."""

    questions: list[str]
    contexts: list[str]
    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_question_len: int | None = None
    max_seq_len: int | None = None
    handle_impossible_answer: bool = False
    align_to_words: bool = True


@dataclass(slots=True)
class Answer:
    """A part of a context.

    Attributes:
        answer: what stands there; empty for no answer.
        start: where it starts in the context, in Unicode code points.
        end: where it ends (exclusive).
    """

    answer: str
    score: float
    start: int
    end: int


@dataclass(slots=True)
class QuestionAnswerOutput(TextsOutput):
    """The answers to each question, in the order of the questions, the highest score first."""

    answers: list[list[Answer]]
    token_counts: list[int]
    truncated_indices: list[int]


class QuestionJson(Struct, forbid_unknown_fields=True):
    """A question and the text that has the answer."""

    question: str
    context: str


class QuestionAnswerValue(Struct, forbid_unknown_fields=True):
    """The value of task `question-answer`; its fields mean what they mean in AnswerQuestionRequest."""

    questions: list[str]
    contexts: list[str]
    top_k: int | float = 1
    doc_stride: int | float | None = None
    max_answer_len: int | float = 15
    max_question_len: int | float | None = None
    max_seq_len: int | float | None = None
    handle_impossible_answer: bool = False
    align_to_words: bool = True


class QuestionAnswerJsonForm(JsonForm[QuestionAnswerInput, QuestionAnswerOutput]):
    """Questions with contexts to a list of answers for each."""

    schema: ClassVar[Any] = QuestionAnswerValue

    def input_of(self, value: QuestionAnswerValue) -> QuestionAnswerInput:
        """The questions."""
        return QuestionAnswerInput(
            value.questions,
            value.contexts,
            top_k=int(whole_number(value.top_k, "value.top_k") or 0),
            max_answer_len=int(whole_number(value.max_answer_len, "value.max_answer_len") or 0),
            handle_impossible_answer=value.handle_impossible_answer,
            align_to_words=value.align_to_words,
            doc_stride=whole_number(value.doc_stride, "value.doc_stride"),
            max_question_len=whole_number(value.max_question_len, "value.max_question_len"),
            max_seq_len=whole_number(value.max_seq_len, "value.max_seq_len"),
        )

    def value_of(self, output: QuestionAnswerOutput) -> list[list[dict[str, Any]]]:
        """The answers to each question."""
        return [[answer_value(answer) for answer in answers] for answers in output.answers]

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Each in the value."""
        return names_in_value(value, QuestionAnswerValue, "questions")


class QuestionAnswerTask(TextsTask[QuestionAnswerInput, QuestionAnswerOutput]):
    """Questions to answers."""

    name = "question-answer"
    input_type = QuestionAnswerInput
    output_type = QuestionAnswerOutput
    item_lists = ("questions", "contexts")
    json = QuestionAnswerJsonForm()
    workloads: ClassVar[Sequence[Workload]] = texts_workloads(
        "question-answer", lambda texts: QuestionAnswerInput(["Who looked at the water?"] * len(texts), texts)
    )

    def encode(self, task_input: QuestionAnswerInput) -> bytes:
        """The questions."""
        message = messages.QuestionAnswerInput(
            questions=task_input.questions,
            contexts=task_input.contexts,
            top_k=task_input.top_k,
            doc_stride=task_input.doc_stride,
            max_answer_len=task_input.max_answer_len,
            max_question_len=task_input.max_question_len,
            max_seq_len=task_input.max_seq_len,
            handle_impossible_answer=task_input.handle_impossible_answer,
            align_to_words=task_input.align_to_words,
            first_index=task_input.first_index,
        )
        return message.SerializeToString()

    def decode(self, data: bytes) -> QuestionAnswerOutput:
        """The answers."""
        message = messages.QuestionAnswerOutput.FromString(data)
        return QuestionAnswerOutput(
            answers=[
                [Answer(found.answer, found.score, found.start, found.end) for found in each.answers]
                for each in message.questions
            ],
            token_counts=list(message.token_counts),
            truncated_indices=[],
        )

    def cost(self, task_input: QuestionAnswerInput, data: bytes) -> tuple[int, int]:
        """Questions, and the characters of them and of their contexts."""
        del data
        items, size = text_cost(task_input.questions, [])
        return items, size + sum(map(len, task_input.contexts))

    def split(self, task_input: QuestionAnswerInput, max_items: int) -> Sequence[QuestionAnswerInput]:
        """Few long contexts in each part: each is many windows."""
        return split_by_size(task_input, max_items, "contexts", "questions")

    def text_of(self, task_input: QuestionAnswerInput) -> str:
        """The questions, a line each."""
        return "\n".join(task_input.questions)

    def agreement(self, expected: QuestionAnswerOutput, found: QuestionAnswerOutput) -> float:
        """The questions with the same best answer."""
        best = ([[(a.start, a.end) for a in each[:1]] for each in output.answers] for output in (expected, found))
        return agreement.of_each(lambda one, other: float(one == other), *best)

    def validate(self, task_input: QuestionAnswerInput, limits: Limits) -> None:
        """Checks every field."""
        check_texts(task_input.questions, limits, "questions")
        check_texts(task_input.contexts, limits, "contexts")
        if (count := len(task_input.contexts)) != (others := len(task_input.questions)):
            raise InvalidInputError.at(
                "contexts",
                "{field} has {count:,} texts, and there are {others:,} questions to go with",
                count=count,
                others=others,
            )
        at_most = partial(check_range, task_input)
        at_most("top_k", 1, MAX_ANSWERS)
        at_most("max_answer_len", 1, MAX_ANSWER_TOKENS)
        at_most("doc_stride", 0, MAX_WINDOW_TOKENS)
        for name in ("max_question_len", "max_seq_len"):
            at_most(name, 1, MAX_WINDOW_TOKENS)

    def facts_of(self, ready: wire.Ready) -> TextSpec:
        """What the model reads at once."""
        return text_spec_of(ready)


def answer_value(answer: Answer) -> dict[str, Any]:
    """An answer in JSON."""
    return {"answer": answer.answer, "score": answer.score, "start": answer.start, "end": answer.end}
