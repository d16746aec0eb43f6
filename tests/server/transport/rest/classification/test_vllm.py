"""vLLM's paths that classify and score: the answers, which task answers, and what is refused."""

from __future__ import annotations

import pytest
from rest_doubles.models import CLASSIFIER, RERANKER, TAGGER

from panope_backends.errors import InvalidInputError

PROBS = [0.125, 0.5, 0.375]  # by the ids of the labels, of which the highest comes first elsewhere


@pytest.mark.parametrize("path", ["/classify", "/v1/classify"])
def test_texts_are_classified_with_the_scores_of_all_labels_by_their_ids(edge, path):
    told = edge.post(path, {"input": "a", "model": CLASSIFIER}).json
    assert (told["object"], told["model"]) == ("list", CLASSIFIER)
    assert told["id"].startswith("classify-")
    assert told["data"] == [{"index": 0, "label": "entailment", "probs": PROBS, "num_classes": 3}]
    assert told["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    body = {"input": ["a", "b"], "use_activation": False, "truncate_prompt_tokens": -1, "user": "ada"}
    told = edge.post(path, body).json
    assert [(one["index"], one["probs"]) for one in told["data"]] == [(0, PROBS), (1, PROBS)]
    last = edge.instances.calls[-1]
    assert (last.model, last.input.texts, last.input.function) == (CLASSIFIER, ["a", "b"], "none")
    assert last.input.truncation == "end"


def test_the_path_of_vllm_takes_the_body_of_the_inference_api_too(edge):
    assert edge.post("/classify", {"inputs": "a", "model": CLASSIFIER}).json[0][0]["label"] == "entailment"


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("text_1", "text_2"), ("data_1", "data_2"), ("queries", "documents"), ("queries", "items")],
)
def test_texts_are_scored_in_pairs_or_one_beside_all(edge, path, first, second):
    told = edge.post(path, {first: "q", second: ["aa", "b"], "model": RERANKER}).json
    assert told["data"] == [
        {"index": 0, "object": "score", "score": 2 / 16},
        {"index": 1, "object": "score", "score": 1 / 16},
    ]
    assert (told["object"], told["model"], told["usage"]["prompt_tokens"]) == ("list", RERANKER, 10)
    last = edge.instances.calls[-1]
    assert (last.input.query, last.input.queries) == ("q", [])
    told = edge.post(path, {first: ["q", "qq"], second: ["a", "a"], "use_activation": False}).json
    assert [one["score"] for one in told["data"]] == [2 / 16, 3 / 16]
    last = edge.instances.calls[-1]
    assert (last.model, last.input.query, last.input.queries) == (RERANKER, "", ["q", "qq"])
    assert last.input.function == "none"


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("/v1/classify", {"input": [1, 2]}, "input[0]", "string"),
        ("/v1/classify", {"input": "a", "inputs": "a"}, "inputs", "unknown field"),
        ("/v1/classify", {"input": "a", "truncate_prompt_tokens": 5}, "truncate_prompt_tokens", "-1"),
        ("/v1/classify", {"input": "a", "model": TAGGER}, "model", "does not serve `classify`"),
        ("/v1/score", {}, "text_1", "`text_1` is missing"),
        ("/v1/score", {"text_2": "a"}, "text_1", "`text_1` and `text_2` go together"),
        ("/v1/score", {"queries": "a"}, "documents", "`documents` is missing"),
        ("/v1/score", {"items": "a"}, "queries", "`queries` and `items` go together"),
        ("/v1/score", {"text_1": "a", "data_2": "b"}, "data_2", "do not go together"),
        ("/v1/score", {"text_1": "a", "text_2": "b", "items": "c"}, "items", "do not go together"),
        ("/v1/score", {"text_1": ["a", "b"], "text_2": ["c"]}, "text_2", "has 2 texts and `text_2` 1"),
        ("/v1/score", {"text_1": "a", "text_2": "b", "model": CLASSIFIER}, "model", "does not serve `rerank`"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(edge, path, body, field, message):
    reply = edge.post(path, body)
    assert reply.status == 400, reply.json
    assert reply.error["param"] == field
    assert message in reply.error["message"]


def test_a_text_that_is_too_long_is_told_by_the_name_that_the_body_has_for_it(edge):
    edge.instances.failure = InvalidInputError.at("documents[1]", "{field} is too long")
    assert edge.post("/score", {"data_1": "q", "data_2": ["a", "b"]}).error["param"] == "data_2[1]"
    edge.instances.failure = InvalidInputError.at("texts[0]", "{field} is too long")
    assert edge.post("/classify", {"input": "a"}).error["param"] == "input"
