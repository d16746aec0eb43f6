"""Labels and scores of servers elsewhere, by the protocol of Text Embeddings Inference."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from panope.worker.v1 import classify_pb2 as messages
from panope_backends.api import ClassificationRequest
from panope_backends.errors import AvailabilityError, InvalidInputError, PreconditionError
from panope_backends.tasks.classify.by_engine import engine_task
from panope_backends.tasks.classify.functions import scores_of
from scripted_server import Script, http

NAMES = ["contradiction", "neutral", "entailment"]


def info(kind: str = "classifier", labels: Any = None, **more: Any) -> bytes:
    id2label = {str(index): name for index, name in enumerate(NAMES)} if labels is None else labels
    limits = {"max_input_length": 512, "max_client_batch_size": 2}
    return http(200, json.dumps({"model_type": {kind: {"id2label": id2label}}, **limits, **more}).encode())


def predicted(*rows: dict[str, float], tokens: int = 0) -> bytes:
    told = [[{"label": label, "score": score} for label, score in row.items()] for row in rows]
    return http(200, json.dumps(told).encode(), f"x-compute-tokens: {tokens}")


def ranked(*scores: float) -> bytes:
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    return http(200, json.dumps([{"index": index, "score": scores[index]} for index in order]).encode())


ONE = {"neutral": 3.0, "entailment": 2.0, "contradiction": -1.0}
OTHER = {"entailment": 4.0, "contradiction": 0.0, "neutral": -2.0}


@pytest.fixture
def classifier(script: Script, load: Any) -> Any:
    script.reply("/info", info())
    return load("tei", "classify")


@pytest.fixture
def reranker(script: Script, load: Any) -> Any:
    script.reply("/info", info("reranker", {"0": "LABEL_0"}))
    return load("tei", "rerank")


def sent(script: Script, path: str) -> list[dict[str, Any]]:
    return [json.loads(asked.body) for asked in script.of(path)]


def test_values_stand_in_the_order_of_the_labels_and_large_calls_go_in_parts(script: Script, classifier: Any) -> None:
    script.reply("/predict", predicted(ONE, OTHER, tokens=5), predicted(ONE, OTHER, tokens=2))
    found = classifier.classify(ClassificationRequest(("a", "b", "c", "d"), truncation="start")).result()
    assert found.values.tolist() == [[-1, 3, 2], [0, -2, 4]] * 2
    assert found.tokens == 7
    asked = {"raw_scores": True, "truncate": True, "truncation_direction": "Left"}
    bodies = sorted(sent(script, "/predict"), key=lambda body: body["inputs"])
    assert bodies == [{"inputs": [["a"], ["b"]], **asked}, {"inputs": [["c"], ["d"]], **asked}]


def test_a_reranker_is_asked_once_for_each_query(script: Script, reranker: Any) -> None:
    script.reply("/rerank", ranked(0.25, 0.5))
    request = ClassificationRequest(("q", "q", "r", "r"), ("a", "b", "c", "d"))
    assert reranker.classify(request).result().values.tolist() == [[0.25], [0.5], [0.25], [0.5]]
    asked = sorted((body["query"], body["texts"]) for body in sent(script, "/rerank"))
    assert asked == [("q", ["a", "b"]), ("r", ["c", "d"])]


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("rerank", info()),
        ("classify", info("reranker")),
        ("classify", info("embedding")),
    ],
)
def test_a_server_whose_model_does_something_else_is_refused(script: Script, load: Any, task: str, told: bytes) -> None:
    script.reply("/info", told)
    with pytest.raises(PreconditionError) as refusal:
        load("tei", task)
    assert refusal.value.reason == "upstream_not_found"


@pytest.mark.parametrize("labels", [{}, {"1": "a"}, {"0": "a", "1": "a"}, {"0": "a", "2": "b"}])
def test_labels_that_are_none_are_not_taken(script: Script, load: Any, labels: Any) -> None:
    script.reply("/info", info(labels=labels))
    with pytest.raises(AvailabilityError):
        load("tei", "classify")


@pytest.mark.parametrize(
    "reply",
    [
        predicted(),
        predicted(ONE, OTHER),
        predicted({"neutral": 1.0}),
        predicted({**ONE, "other": 1.0}),
        predicted({**ONE, "neutral": float("inf")}),
        predicted({**ONE, "neutral": 1e300}),
        http(200, b"{}"),
    ],
)
def test_values_that_are_none_are_not_passed_on(script: Script, classifier: Any, reply: bytes) -> None:
    script.reply("/predict", reply)
    with pytest.raises(AvailabilityError):
        classifier.classify(ClassificationRequest(("a",))).result()


@pytest.mark.parametrize("told", [[], [{"index": 1, "score": 0}], [{"index": 0, "score": 0}] * 2])
def test_scores_that_are_none_are_not_passed_on(script: Script, reranker: Any, told: Any) -> None:
    script.reply("/rerank", http(200, json.dumps(told).encode()))
    with pytest.raises(AvailabilityError):
        reranker.classify(ClassificationRequest(("q",), ("a",))).result()


def run(task: Any, name: str, message: Any) -> bytes:
    output, is_last = task.requests[name](message.SerializeToString()).step()
    assert is_last
    return bytes(output)


def test_scores_labels_and_entailment_are_made_here(script: Script, classifier: Any) -> None:
    script.reply("/predict", predicted(ONE), predicted(ONE, tokens=3), predicted(ONE, OTHER, tokens=9))
    task = engine_task(classifier, "classify")
    facts = messages.ClassifyFacts.FromString(task.facts)
    assert (list(facts.labels), facts.function, facts.entailment_label, facts.max_tokens) == (
        NAMES,
        "softmax",
        "entailment",
        512,
    )
    labels = messages.ClassifyOutput.FromString(
        run(task, "classify", messages.ClassifyInput(texts=["a"], truncation="refuse", top_k=2))
    )
    assert (list(labels.label_ids), list(labels.token_counts)) == ([1, 2], [3])
    values = np.array([[-1, 3, 2], [0, -2, 4]], np.float32)
    np.testing.assert_allclose(labels.scores, scores_of(values[:1], "softmax")[0, 1:], rtol=1e-6)
    asked = messages.ZeroShotInput(
        texts=["a"], candidate_labels=["x", "y"], hypothesis_template="It is {}.", truncation="refuse"
    )
    scores = messages.ZeroShotOutput.FromString(run(task, "zero-shot", asked))
    np.testing.assert_allclose(scores.scores, scores_of(values[:, 2], "softmax"), rtol=1e-6)
    assert list(scores.token_counts) == [9]
    assert sent(script, "/predict")[-1]["inputs"] == [["a", "It is x."], ["a", "It is y."]]
    with pytest.raises(InvalidInputError) as refusal:
        task.requests["zero-shot"](
            messages.ZeroShotInput(
                texts=["a"], candidate_labels=["x"], hypothesis_template="{}", truncation="end"
            ).SerializeToString()
        )
    assert refusal.value.field == "truncation"


def test_documents_have_scores_and_are_named_in_refusals(script: Script, reranker: Any) -> None:
    too_long = http(
        413, b'{"error": "`inputs` must have less than 512 tokens. Given: 600", "error_type": "Validation"}'
    )
    script.reply("/rerank", ranked(0.0), ranked(0.0, 2.0), too_long)
    task = engine_task(reranker, "rerank")
    assert messages.ClassifyFacts.FromString(task.facts).function == "sigmoid"
    asked = messages.RerankInput(query="q", documents=["a", "b"], truncation="refuse")
    found = messages.RerankOutput.FromString(run(task, "rerank", asked))
    np.testing.assert_allclose(found.scores, [0.5, 0.880797], rtol=1e-5)
    with pytest.raises(InvalidInputError) as refusal:
        run(task, "rerank", asked)
    assert (refusal.value.field, refusal.value.reason) == ("documents", "context_length_exceeded")
    with pytest.raises(InvalidInputError) as refusal:
        task.requests["classify"](messages.ClassifyInput(texts=["a"], truncation="refuse").SerializeToString())
    assert refusal.value.field == "second_texts"
