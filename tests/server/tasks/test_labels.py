"""What the tasks of models with labels say of their inputs and outputs: forms, limits, parts, costs and usage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from panope.worker.v1 import classify_pb2 as messages
from panope.worker.v1 import worker_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_server.config import Limits
from panope_server.tasks.catalog import requests_of, task_named, task_of
from panope_server.tasks.classify import ClassifyInput, ClassifyOutput, ClassifySpec, LabelScore
from panope_server.tasks.classify.types import classifies_images
from panope_server.tasks.rerank import RerankInput, RerankOutput
from panope_server.tasks.task import Input, Output
from panope_server.tasks.token_classify import Entity, TokenClassifyInput, TokenClassifyOutput
from panope_server.tasks.zero_shot import ZeroShotInput, ZeroShotOutput

LIMITS = Limits(max_items=64, max_text_bytes=1000)
MANY = [f"text {number}" for number in range(70)]


@pytest.mark.parametrize(
    ("architecture", "takes_images"),
    [
        ("ViTForImageClassification", True),
        ("labels", True),  # the decoder of panope.json
        ("BertForSequenceClassification", False),
        ("", False),
    ],
)
def test_models_with_labels_take_images_or_texts(architecture: str, takes_images: bool) -> None:
    assert classifies_images(architecture) == takes_images


@pytest.mark.parametrize(
    ("task_input", "message"),
    [
        (
            ClassifyInput(["a"], ["b"], "sigmoid", 2, truncation="end", first_index=5),
            messages.ClassifyInput(
                texts=["a"], second_texts=["b"], truncation="end", function="sigmoid", top_k=2, first_index=5
            ),
        ),
        (ClassifyInput(["a"]), messages.ClassifyInput(texts=["a"], truncation="refuse")),
        (
            RerankInput("q", ["a"], "none", 3, truncation="start", first_index=1),
            messages.RerankInput(query="q", documents=["a"], truncation="start", function="none", first_index=1),
        ),
        (
            RerankInput("", ["a", "b"], queries=["q", "r"]),
            messages.RerankInput(documents=["a", "b"], truncation="refuse", queries=["q", "r"]),
        ),
        (
            ZeroShotInput(["a"], ["x"], "{}!", True, truncation="end", first_index=1),
            messages.ZeroShotInput(
                texts=["a"],
                candidate_labels=["x"],
                hypothesis_template="{}!",
                multi_label=True,
                truncation="end",
                first_index=1,
            ),
        ),
        (
            TokenClassifyInput(["a"], "max", ["O", "X"], 4, first_index=1),
            messages.TokenClassifyInput(
                texts=["a"], aggregation="max", ignore_labels=["O", "X"], stride=4, truncation="refuse", first_index=1
            ),
        ),
    ],
)
def test_the_message_to_a_worker_holds_every_field(task_input: Input, message: Any) -> None:
    assert type(message).FromString(task_of(task_input).encode(task_input)) == message


def test_documents_with_queries_of_their_own_stay_beside_them_in_parts() -> None:
    parts = [
        messages.RerankInput.FromString(request.data)
        for request in requests_of(RerankInput("", MANY, queries=[f"q {text}" for text in MANY]))
    ]
    assert [text for part in parts for text in part.documents] == MANY
    assert all(list(part.queries) == [f"q {text}" for text in part.documents] for part in parts)


def test_answers_of_workers_are_read() -> None:
    found = messages.ClassifyOutput(
        labels=["x", "y"], top_k=1, label_ids=[1, 0], scores=[0.5, 0.25], token_counts=[3, 4], truncated_indices=[1]
    )
    assert task_named("classify").decode(found.SerializeToString()) == ClassifyOutput(
        [[LabelScore("y", 0.5)], [LabelScore("x", 0.25)]], [3, 4], [1], [[1], [0]]
    )
    entities = [messages.Entity(label="A", score=0.5, word="w", start=1, end=2)]
    entities.append(messages.Entity(label="B", score=0.25, word="v", start=3, end=4, index=0))
    told = messages.TokenClassifyOutput(texts=[messages.Entities(entities=entities)], token_counts=[5])
    assert task_named("token-classify").decode(told.SerializeToString()) == TokenClassifyOutput(
        [[Entity("A", 0.5, "w", 1, 2, None), Entity("B", 0.25, "v", 3, 4, 0)]], [5], []
    )
    scores = messages.RerankOutput(scores=[0.5], token_counts=[2], truncated_indices=[0])
    assert task_named("rerank").decode(scores.SerializeToString()) == RerankOutput([0.5], [2], [0])
    shot = messages.ZeroShotOutput(scores=[0.5, 0.25], token_counts=[2])
    assert task_named("zero-shot").decode(shot.SerializeToString()) == ZeroShotOutput([0.5, 0.25], [2], [])


@pytest.mark.parametrize("name", ["classify", "rerank", "token-classify"])
def test_what_a_worker_tells_of_a_model_with_labels_is_kept(name: str) -> None:
    facts = messages.ClassifyFacts(labels=["a", "b"], max_tokens=9, function="softmax", entailment_label="b")
    spec = task_named(name).facts_of(wire.Ready(facts=facts.SerializeToString(), batching="any"))
    assert spec == ClassifySpec(("a", "b"), 9, "softmax", "b", "any")


@pytest.mark.parametrize(
    ("task_input", "field", "firsts"),
    [
        (ClassifyInput(MANY, MANY), "texts", [0, 32, 64]),
        (RerankInput("q", MANY), "documents", [0, 32, 64]),
        (TokenClassifyInput(MANY), "texts", [0, 32, 64]),
        (TokenClassifyInput(MANY[:3], stride=1), "texts", [0, 1, 2]),
        (ZeroShotInput(MANY[:5], [f"label {number}" for number in range(16)]), "texts", [0, 2, 4]),
        (ZeroShotInput(MANY[:2], MANY), "texts", [0, 1]),
    ],
)
def test_a_large_input_runs_in_parts_and_nothing_of_it_is_lost(task_input: Any, field: str, firsts: list[int]) -> None:
    parts = task_of(task_input).split(task_input, 32)
    assert [part.first_index for part in parts] == firsts
    whole = getattr(task_input, field)
    assert [item for part in parts for item in getattr(part, field)] == whole
    for part in parts:
        more = {"second_texts": task_input.second_texts} if isinstance(task_input, ClassifyInput) else {}
        assert replace(part, **{field: whole}, **more, first_index=0) == task_input
    assert sum(request.items for request in requests_of(task_input)) == task_of(task_input).cost(task_input, b"")[0]


@pytest.mark.parametrize(
    ("parts", "whole", "tokens"),
    [
        (
            [ClassifyOutput([[LabelScore("a", 1.0)]], [3], [0]), ClassifyOutput([[LabelScore("b", 0.5)]], [4], [])],
            ClassifyOutput([[LabelScore("a", 1.0)], [LabelScore("b", 0.5)]], [3, 4], [0]),
            7,
        ),
        ([RerankOutput([1.0], [2], []), RerankOutput([0.5], [3], [1])], RerankOutput([1.0, 0.5], [2, 3], [1]), 5),
        ([ZeroShotOutput([1.0], [2], []), ZeroShotOutput([0.5], [3], [1])], ZeroShotOutput([1.0, 0.5], [2, 3], [1]), 5),
        (
            [TokenClassifyOutput([[]], [2], []), TokenClassifyOutput([[]], [3], [1])],
            TokenClassifyOutput([[], []], [2, 3], [1]),
            5,
        ),
    ],
)
def test_answers_of_parts_are_joined_in_their_order_and_count_tokens(
    parts: list[Output], whole: Output, tokens: int
) -> None:
    task = {
        ClassifyOutput: "classify",
        RerankOutput: "rerank",
        ZeroShotOutput: "zero-shot",
        TokenClassifyOutput: "token-classify",
    }[type(whole)]
    known = task_named(task)
    assert known.join(parts) == whole
    assert known.usage(whole).input_units == tokens


def test_the_best_come_first_and_of_equal_ones_the_first() -> None:
    answer = RerankOutput([0.5, 0.75, 0.5], [1, 1, 1], [])
    assert answer.ranked() == [(1, 0.75), (0, 0.5), (2, 0.5)]
    assert answer.ranked(2) == [(1, 0.75), (0, 0.5)]
    shot = ZeroShotOutput([0.25, 0.75, 0.5, 0.5], [1, 1], [])
    assert [[found.label for found in row] for row in shot.ranked(["x", "y"])] == [["y", "x"], ["x", "y"]]


@pytest.mark.parametrize(
    ("task_input", "field", "words"),
    [
        (ClassifyInput([]), "texts", "is empty"),
        (ClassifyInput(["a", ""]), "texts[1]", "is empty"),
        (ClassifyInput(["a" * 1001]), "texts[0]", "1,001 bytes; the limit is 1,000"),
        (ClassifyInput(["a"] * 65), "texts", "65 items; the limit is 64"),
        (ClassifyInput(["a"], ["b", "c"]), "second_texts", "2 texts, and there are 1 to go with"),
        (ClassifyInput(["a"], [""]), "second_texts[0]", "is empty"),
        (ClassifyInput(["a"], truncation="middle"), "truncation", "must be one of refuse, end, start"),
        (ClassifyInput(["a"], function="tanh"), "function", "must be one of softmax, sigmoid, none"),  # type: ignore[arg-type] # wrong
        (ClassifyInput(["a"], top_k=0), "top_k", "at least 1"),
        (ClassifyInput(["a"], top_k=1 << 32), "top_k", "at most 4,294,967,295"),
        (RerankInput("", ["a"]), "query", "is empty"),
        (RerankInput("q" * 1001, ["a"]), "query", "1,001 bytes"),
        (RerankInput("q", []), "documents", "is empty"),
        (RerankInput("", ["a", "b"], queries=["q"]), "queries", "has 1 texts, and there are 2 to go with"),
        (RerankInput("", ["a"], queries=[""]), "queries[0]", "is empty"),
        (RerankInput("q", ["a", ""]), "documents[1]", "is empty"),
        (RerankInput("q", ["a"], top_n=0), "top_n", "at least 1"),
        (RerankInput("q", ["a"], function="softmax"), "function", "must be one of sigmoid, none"),  # type: ignore[arg-type] # wrong
        (ZeroShotInput(["a"], []), "candidate_labels", "is empty"),
        (ZeroShotInput(["a"], ["x", "x"]), "candidate_labels", "a label twice"),
        (ZeroShotInput(["a", "b"], [str(n) for n in range(40)]), "candidate_labels", "80 times"),
        (ZeroShotInput(["a"], ["x" * 1025]), "candidate_labels[0]", "bytes; the limit is 1,000"),
        (ZeroShotInput(["a"], ["x"], "no place"), "hypothesis_template", "has no `{}`"),
        (ZeroShotInput(["a"], ["x"], "{}" * 513), "hypothesis_template", "1,026 characters; the limit is 1,024"),
        (TokenClassifyInput(["a"], aggregation="all"), "aggregation", "must be one of none, simple"),  # type: ignore[arg-type] # wrong
        (TokenClassifyInput(["a"], ignore_labels=["x"] * 1025), "ignore_labels", "1,025 labels; the limit is 1,024"),
        (TokenClassifyInput(["a"], ignore_labels=["x" * 257]), "ignore_labels[0]", "257 characters"),
        (TokenClassifyInput(["a"], stride=-1), "stride", "at least 0"),
    ],
)
def test_what_no_model_could_run_is_refused_by_field_and_limit(task_input: Input, field: str, words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        task_of(task_input).validate(task_input, LIMITS)
    assert caught.value.field == field
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("name", "value", "task_input"),
    [
        ("classify", "a", ClassifyInput(["a"])),
        ("classify", ["a", "b"], ClassifyInput(["a", "b"])),
        (
            "classify",
            {"texts": ["a"], "second_texts": ["b"], "top_k": 2.0, "function": "none", "truncation": "end"},
            ClassifyInput(["a"], ["b"], "none", 2, truncation="end"),
        ),
        ("rerank", {"query": "q", "documents": ["a"], "top_n": 1}, RerankInput("q", ["a"], top_n=1)),
        ("zero-shot", {"texts": ["a"], "candidate_labels": ["x"]}, ZeroShotInput(["a"], ["x"])),
        ("token-classify", "a", TokenClassifyInput(["a"])),
        (
            "token-classify",
            {"texts": ["a"], "aggregation": "first", "ignore_labels": [], "stride": 3},
            TokenClassifyInput(["a"], "first", [], 3),
        ),
    ],
)
def test_a_json_value_is_an_input(name: str, value: object, task_input: Input) -> None:
    form = task_named(name).json
    assert form.input_of(msgspec.convert(value, form.schema)) == task_input
    fields = form.fields_of(value)
    assert all(told == "value" or told.startswith("value.") for told in fields.values())


def test_an_output_is_a_json_value() -> None:
    labels = ClassifyOutput([[LabelScore("x", 0.5)]], [1], [])
    assert task_named("classify").json.value_of(labels) == [[{"label": "x", "score": 0.5}]]
    assert task_named("rerank").json.value_of(RerankOutput([0.25, 0.5], [1, 1], [])) == [
        {"index": 1, "score": 0.5},
        {"index": 0, "score": 0.25},
    ]
    assert task_named("zero-shot").json.value_of(ZeroShotOutput([0.25, 0.5, 0.5, 0.25], [1, 1], [])) == [
        [0.25, 0.5],
        [0.5, 0.25],
    ]
    entities = TokenClassifyOutput([[Entity("A", 0.5, "w", 1, 2, None), Entity("B", 0.5, "v", 3, 4, 7)]], [1], [])
    assert task_named("token-classify").json.value_of(entities) == [
        [
            {"label": "A", "score": 0.5, "word": "w", "start": 1, "end": 2},
            {"label": "B", "score": 0.5, "word": "v", "start": 3, "end": 4, "index": 7},
        ]
    ]


def test_half_a_label_is_refused() -> None:
    form = task_named("classify").json
    with pytest.raises(InvalidInputError, match=r"`value.top_k` must be a whole number"):
        form.input_of(msgspec.convert({"texts": ["a"], "top_k": 1.5}, form.schema))


@pytest.mark.parametrize("name", ["classify", "rerank", "token-classify"])
def test_no_two_calls_of_a_measurement_are_alike(name: str) -> None:
    for workload in task_named(name).workloads:
        first, second = workload.input(0), workload.input(1)
        assert workload.name.startswith(name)
        assert requests_of(first)[0].items == workload.items
        assert first != second
