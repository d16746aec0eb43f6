"""ClassifyService and RerankService over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from rest_doubles.labels import SCORES
from rest_doubles.models import CLASSIFIER, RERANKER, TAGGER

from panope.v1 import classify_service_pb2 as pb
from panope.v1 import classify_service_pb2_grpc as pb_grpc
from panope.v1 import embed_service_pb2, rerank_service_pb2, rerank_service_pb2_grpc
from panope_backends.errors import InvalidInputError


@pytest.fixture
def channel(edge: Any) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as opened:
        yield opened


def test_texts_have_labels_with_scores(edge: Any, channel: grpc.Channel) -> None:
    stub = pb_grpc.ClassifyServiceStub(channel)
    answer = stub.Classify(pb.ClassifyRequest(model=CLASSIFIER, texts=["a", "b"], top_k=2))
    assert (answer.model, list(answer.token_counts)) == (CLASSIFIER, [3, 3])
    assert [[(one.label, one.score) for one in each.labels] for each in answer.classifications] == [
        list(SCORES[:2])
    ] * 2
    stub.Classify(
        pb.ClassifyRequest(
            model=CLASSIFIER,
            texts=["a"],
            second_texts=["b"],
            function=pb.SCORE_FUNCTION_NONE,
            truncation=embed_service_pb2.TRUNCATION_END,
        )
    )
    task_input = edge.instances.calls[-1].input
    assert (task_input.second_texts, task_input.function, task_input.truncation) == (["b"], "none", "end")


def test_labels_of_the_callers_own_have_scores(edge: Any, channel: grpc.Channel) -> None:
    stub = pb_grpc.ClassifyServiceStub(channel)
    request = pb.ClassifyZeroShotRequest(model=CLASSIFIER, texts=["a"], candidate_labels=["x", "y"])
    answer = stub.ClassifyZeroShot(request)
    assert [(one.label, one.score) for one in answer.classifications[0].labels] == [("y", 0.25), ("x", 0.125)]
    assert edge.instances.calls[-1].input.hypothesis_template == "This example is {}."


def test_tokens_have_entities(edge: Any, channel: grpc.Channel) -> None:
    stub = pb_grpc.ClassifyServiceStub(channel)
    answer = stub.ClassifyTokens(pb.ClassifyTokensRequest(model=TAGGER, texts=["Ada"]))
    (entity,) = answer.texts[0].entities
    assert (entity.label, entity.word, entity.start, entity.end, entity.HasField("index")) == (
        "PER",
        "ada",
        0,
        3,
        False,
    )
    assert edge.instances.calls[-1].input.ignore_labels == ["O"]
    request = pb.ClassifyTokensRequest(
        model=TAGGER, texts=["Ada"], aggregation=pb.AGGREGATION_NONE, ignored=pb.IgnoredLabels()
    )
    assert stub.ClassifyTokens(request).texts[0].entities[0].index == 1
    assert edge.instances.calls[-1].input.ignore_labels == []


def test_documents_are_ordered(edge: Any, channel: grpc.Channel) -> None:
    stub = rerank_service_pb2_grpc.RerankServiceStub(channel)
    request = rerank_service_pb2.RerankRequest(model=RERANKER, query="q", documents=["a", "four", "bb"], top_n=2)
    answer = stub.Rerank(request)
    assert [(one.index, one.score, one.document) for one in answer.results] == [(1, 0.25, ""), (2, 0.125, "")]
    request.return_documents = True
    assert [one.document for one in stub.Rerank(request).results] == ["four", "bb"]


def test_texts_are_as_long_as_their_tasks_allow(edge: Any, channel: grpc.Channel) -> None:
    long = "word " * 2000
    rerank = rerank_service_pb2_grpc.RerankServiceStub(channel)
    rerank.Rerank(rerank_service_pb2.RerankRequest(model=RERANKER, query=long, documents=[long]))
    assert (edge.instances.calls[-1].input.query, edge.instances.calls[-1].input.documents) == (long, [long])
    stub = pb_grpc.ClassifyServiceStub(channel)
    stub.Classify(pb.ClassifyRequest(model=CLASSIFIER, texts=[long], second_texts=[long]))
    assert edge.instances.calls[-1].input.second_texts == [long]
    label, template = "x" * 1000, "{}" + "y" * 1000
    stub.ClassifyZeroShot(
        pb.ClassifyZeroShotRequest(
            model=CLASSIFIER, texts=[long], candidate_labels=[label], hypothesis_template=template
        )
    )
    assert edge.instances.calls[-1].input.candidate_labels == [label]


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("Classify", pb.ClassifyRequest(texts=["a"]), "model"),
        ("Classify", pb.ClassifyRequest(model=CLASSIFIER), "texts"),
        ("Classify", pb.ClassifyRequest(model=RERANKER, texts=["a"]), "model"),
        ("Classify", pb.ClassifyRequest(model=CLASSIFIER, texts=["a"], function=9), "function"),  # type: ignore[arg-type] # unknown
        ("Classify", pb.ClassifyRequest(model=CLASSIFIER, texts=["a"], truncation=9), "truncation"),  # type: ignore[arg-type] # unknown
        ("ClassifyTokens", pb.ClassifyTokensRequest(model=TAGGER, texts=["a"], aggregation=9), "aggregation"),  # type: ignore[arg-type] # unknown
        (
            "ClassifyTokens",
            pb.ClassifyTokensRequest(model=TAGGER, texts=["a"], ignored=pb.IgnoredLabels(labels=["x" * 300])),
            "ignored.labels[0]",
        ),
        ("ClassifyZeroShot", pb.ClassifyZeroShotRequest(model=CLASSIFIER, texts=["a"]), "candidate_labels"),
        ("Rerank", rerank_service_pb2.RerankRequest(model=RERANKER, query="q"), "documents"),
        (
            "Rerank",
            rerank_service_pb2.RerankRequest(
                model=RERANKER, query="q", documents=["a"], function=pb.SCORE_FUNCTION_SOFTMAX
            ),
            "function",
        ),
    ],
)
def test_a_field_that_cannot_be_honoured_is_named(
    edge: Any, channel: grpc.Channel, method: str, request_: Any, field: str
) -> None:
    service = rerank_service_pb2_grpc.RerankServiceStub if method == "Rerank" else pb_grpc.ClassifyServiceStub
    with pytest.raises(grpc.RpcError) as caught:
        getattr(service(channel), method)(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined] # of grpc's own class
    assert field in caught.value.details()  # type: ignore[attr-defined] # of grpc's own class
    assert edge.instances.calls == []


def test_what_the_model_refuses_has_the_messages_names(edge: Any, channel: grpc.Channel) -> None:
    edge.instances.failure = InvalidInputError.at("ignore_labels", "{field} is wrong")
    with pytest.raises(grpc.RpcError, match=r"`ignored.labels` is wrong"):
        pb_grpc.ClassifyServiceStub(channel).ClassifyTokens(pb.ClassifyTokensRequest(model=TAGGER, texts=["a"]))
