"""Classifying and reranking through either client."""

from __future__ import annotations

from typing import Any

import pytest

from panope.v1 import classify_service_pb2 as pb
from panope.v1 import embed_service_pb2 as embed_pb
from panope.v1 import rerank_service_pb2 as rerank_pb
from panope_client import InvalidArgumentError

MODEL = "vendor/fake"


async def test_texts_have_labels(client: Any, fake: Any) -> None:
    answer = await client.classify(
        ["a", "b"], MODEL, second_texts=["c", "d"], top_k=1, function="none", truncation="end"
    )

    assert [one.labels[0].label for one in answer.classifications] == ["a", "b"]
    assert fake.requests == [
        pb.ClassifyRequest(
            model=MODEL,
            texts=["a", "b"],
            second_texts=["c", "d"],
            top_k=1,
            function=pb.SCORE_FUNCTION_NONE,
            truncation=embed_pb.TRUNCATION_END,
        )
    ]


async def test_tokens_have_entities(client: Any, fake: Any) -> None:
    answer = await client.classify_tokens(["Ada"], MODEL)
    await client.classify_tokens(["Ada"], MODEL, aggregation="max", ignore_labels=[], stride=0)

    assert answer.texts[0].entities[0].word == "Ada"
    assert not fake.requests[0].HasField("ignored")
    assert fake.requests[1].HasField("ignored")
    assert fake.requests[1].HasField("stride")
    assert fake.requests[1].aggregation == pb.AGGREGATION_MAX


async def test_labels_of_the_callers_own_are_scored(client: Any, fake: Any) -> None:
    answer = await client.classify_zero_shot(
        ["a"], ["x", "y"], MODEL, hypothesis_template="It is {}.", multi_label=True
    )

    assert [one.label for one in answer.classifications[0].labels] == ["x", "y"]
    assert (fake.requests[0].hypothesis_template, fake.requests[0].multi_label) == ("It is {}.", True)


async def test_documents_are_ordered(client: Any, fake: Any) -> None:
    answer = await client.rerank("q", ["a", "b"], MODEL, top_n=2, function="sigmoid", return_documents=True)

    assert [result.index for result in answer.results] == [0, 1]
    assert fake.requests == [
        rerank_pb.RerankRequest(
            model=MODEL,
            query="q",
            documents=["a", "b"],
            top_n=2,
            truncation=embed_pb.TRUNCATION_REFUSE,
            function=pb.SCORE_FUNCTION_SIGMOID,
            return_documents=True,
        )
    ]


@pytest.mark.parametrize(
    ("call", "arguments", "options", "field", "words"),
    [
        ("classify", ("one text", MODEL), {}, "texts", "must be a list of str"),
        ("classify", (["a"], MODEL), {"function": "tanh"}, "function", "one of softmax, sigmoid, none; got 'tanh'"),
        ("classify", (["a"], MODEL), {"top_k": -1}, "top_k", "an integer from 0"),
        ("classify", (["a"], MODEL), {"k": 1}, "k", "unknown option `k`; known are second_texts"),
        ("classify_tokens", (["a"], MODEL), {"aggregation": "all"}, "aggregation", "one of none, simple"),
        ("classify_zero_shot", (["a"], "x, y", MODEL), {}, "candidate_labels", "must be a list of str"),
        ("rerank", ("q", "one document", MODEL), {}, "documents", "must be a list of str"),
        ("rerank", ("q", ["a"], MODEL), {"truncation": "left"}, "truncation", "one of refuse, end, start"),
    ],
)
async def test_a_wrong_argument_is_refused_before_the_call(
    client: Any, fake: Any, call: str, arguments: tuple[Any, ...], options: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=words) as caught:
        await getattr(client, call)(*arguments, **options)
    assert caught.value.field == field
    assert not fake.requests
