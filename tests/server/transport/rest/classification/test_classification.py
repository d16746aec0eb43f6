"""Classifying and reranking by REST: the bodies of huggingface_hub, TEI, Cohere, Jina and vLLM, and what is refused."""

from __future__ import annotations

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from rest_doubles.labels import SCORES
from rest_doubles.models import CLASSIFIER, RERANKER, TAGGER

from panope_backends.errors import InvalidInputError, PreconditionError

LABELS = [{"label": label, "score": score} for label, score in SCORES]
ENTITY = {"entity_group": "PER", "score": 0.75, "word": "ada", "start": 0, "end": 3}
PATHS = ["/v1/classify", f"/v1/classify/{CLASSIFIER}", f"/models/{CLASSIFIER}"]


@pytest.mark.parametrize("path", [*PATHS, f"/models/{CLASSIFIER}/pipeline/text-classification"])
def test_texts_and_pairs_are_classified(edge, path):
    assert edge.post(path, {"inputs": "a"}).json == [LABELS]
    body = {"inputs": ["a", "b"], "parameters": {"top_k": 1, "function_to_apply": "sigmoid", "truncate": True}}
    assert edge.post(path, body).json == [LABELS[:1], LABELS[:1]]
    task_input = edge.instances.calls[-1].input
    assert (task_input.function, task_input.top_k, task_input.truncation) == ("sigmoid", 1, "end")
    assert edge.post(path, {"inputs": {"text": "a", "text_pair": "b"}}).json == [LABELS]
    assert edge.post(path, {"inputs": [{"text": "a", "text_pair": "b"}]}).json == [LABELS]
    last = edge.instances.calls[-1]
    assert (last.model, last.input.texts, last.input.second_texts) == (CLASSIFIER, ["a"], ["b"])


@pytest.mark.parametrize(
    "path", [f"/v1/classify/{TAGGER}", f"/models/{TAGGER}", f"/pipeline/token-classification/{TAGGER}"]
)
def test_tokens_are_classified_by_a_model_of_that_task(edge, path):
    assert edge.post(path, {"inputs": "Ada"}).json == [ENTITY]
    assert edge.post(path, {"inputs": ["Ada", "Bob"]}).json == [[ENTITY], [{**ENTITY, "word": "bob"}]]
    body = {"inputs": "Ada", "parameters": {"aggregation_strategy": "none", "ignore_labels": []}}
    (token,) = edge.post(path, body).json
    assert token == {"entity": "B-PER", "index": 1, "score": 0.75, "word": "ada", "start": 0, "end": 3}
    assert edge.instances.calls[-1].input.ignore_labels == []
    edge.post(path, {"inputs": "Ada", "parameters": {"stride": 2}})
    assert edge.instances.calls[-1].input.stride == 2


def test_a_model_that_is_not_named_is_told_by_the_parameters(edge):
    assert edge.post("/v1/classify", {"inputs": "Ada", "parameters": {"stride": 2}}).json == [ENTITY]
    assert edge.post("/", {"inputs": "Ada", "parameters": {"ignore_labels": ["O"]}}).json == [ENTITY]
    assert edge.post("/", {"inputs": "a", "parameters": {"function_to_apply": "none"}}).json == [LABELS]
    assert isinstance(edge.post("/", {"inputs": ["a"]}).json[0][0], float)  # what has no sign of another task embeds


@pytest.mark.parametrize("path", [*PATHS, f"/models/{CLASSIFIER}/pipeline/zero-shot-classification", "/"])
@pytest.mark.parametrize("labels", [["x", "y"], "x, y"])
def test_labels_of_the_callers_own_are_scored(edge, path, labels):
    parameters = {"candidate_labels": labels, "multi_label": True, "hypothesis_template": "It is {}."}
    assert edge.post(path, {"inputs": "a", "parameters": parameters}).json == [
        {"label": "y", "score": 0.25},
        {"label": "x", "score": 0.125},
    ]
    task_input = edge.instances.calls[-1].input
    assert (task_input.hypothesis_template, task_input.multi_label) == ("It is {}.", True)
    assert len(edge.post(path, {"inputs": ["a", "b"], "parameters": {"candidate_labels": labels}}).json) == 2


def test_the_unmodified_client_of_hugging_face_reads_every_answer(edge):
    client = InferenceClient(base_url=f"{edge.url}/models/{CLASSIFIER}")
    assert [(one.label, one.score) for one in client.text_classification("a", top_k=2)] == list(SCORES[:2])
    found = client.zero_shot_classification("a", ["x", "y"], multi_label=True)
    assert [(one.label, one.score) for one in found] == [("y", 0.25), ("x", 0.125)]
    tagger = InferenceClient(base_url=f"{edge.url}/v1/classify/{TAGGER}")
    (entity,) = tagger.token_classification("Ada", aggregation_strategy="simple", ignore_labels=["O"])
    assert (entity.entity_group, entity.word, entity.start, entity.end) == ("PER", "ada", 0, 3)
    (token,) = tagger.token_classification("Ada", aggregation_strategy="none")
    assert token.entity == "B-PER"
    with pytest.raises(HfHubHTTPError, match="is of text-classification"):
        InferenceClient(base_url=f"{edge.url}/models/{TAGGER}").text_classification(
            "a", top_k=1, function_to_apply="none"
        )


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_documents_are_ordered_by_a_query(edge, path):
    body = {"model": RERANKER, "query": "q", "documents": ["a", {"text": "four"}, "bb"], "top_n": 2}
    answer = edge.post(path, body).json
    assert (answer["model"], answer["usage"]) == (RERANKER, {"prompt_tokens": 15, "total_tokens": 15})
    assert answer["results"] == [{"index": 1, "relevance_score": 0.25}, {"index": 2, "relevance_score": 0.125}]
    answer = edge.post(path, {**body, "return_documents": True, "truncation": True, "raw_scores": True}).json
    assert answer["results"][0]["document"] == {"text": "four"}
    task_input = edge.instances.calls[-1].input
    assert (task_input.truncation, task_input.function) == ("end", "none")
    edge.post(path, {**body, "truncate_prompt_tokens": -1})
    assert edge.instances.calls[-1].input.truncation == "end"


def test_teis_two_routes_have_its_shapes(edge):
    body = {"query": "q", "texts": ["a", "four"]}
    assert edge.post("/rerank", body).json == [{"index": 1, "score": 0.25}, {"index": 0, "score": 0.0625}]
    assert edge.instances.calls[-1].input.function == "sigmoid"
    answer = edge.post("/rerank", {**body, "raw_scores": True, "return_text": True, "truncate": True}).json
    assert answer[0] == {"index": 1, "score": 0.25, "text": "four"}
    assert (edge.instances.calls[-1].input.function, edge.instances.calls[-1].input.truncation) == ("none", "end")
    assert edge.post("/predict", {"inputs": "a"}).json == LABELS
    assert edge.post("/predict", {"inputs": ["a", "b"]}).json == LABELS
    assert edge.instances.calls[-1].input.second_texts == ["b"]
    assert edge.post("/predict", {"inputs": [["a"], ["b"]], "raw_scores": True}).json == [LABELS, LABELS]
    assert edge.instances.calls[-1].input.function == "none"


@pytest.mark.parametrize(
    ("path", "body", "status", "message", "param"),
    [
        ("/v1/classify", {"inputs": ""}, 400, "`inputs`", "inputs"),
        ("/v1/classify", {"inputs": []}, 400, "`inputs`", "inputs"),
        ("/v1/classify", {"inputs": ["a", ""]}, 400, "`inputs[1]`", "inputs[1]"),
        ("/v1/classify", {"inputs": ["a", {"text": "a", "text_pair": "b"}]}, 400, "mixes texts and pairs", "inputs"),
        ("/v1/classify", {"inputs": {"text": "a"}}, 400, "text_pair` is missing", "inputs.text_pair"),
        ("/v1/classify", {"inputs": ["a"] * 65}, 400, "has 65 items; the limit is 64", "inputs"),
        ("/v1/classify", b'{"inputs": "\\ud800"}', 400, "", None),
        ("/v1/classify", {"inputs": "a", "zzz": 1}, 400, "unknown field `zzz`", "zzz"),
        ("/v1/classify", {"inputs": "a", "parameters": {"zzz": 1}}, 400, "unknown field", "parameters.zzz"),
        ("/v1/classify", {"inputs": "a", "parameters": {"top_k": 0}}, 400, "top_k", "parameters.top_k"),
        (
            f"/v1/classify/{CLASSIFIER}",
            {"inputs": "a", "parameters": {"stride": 1}},
            400,
            "of token-",
            "parameters.stride",
        ),
        (
            "/v1/classify",
            {"inputs": "a", "parameters": {"candidate_labels": []}},
            400,
            "is empty",
            "parameters.candidate_labels",
        ),
        (
            "/v1/classify",
            {"inputs": "a", "parameters": {"candidate_labels": ["x"], "hypothesis_template": "no place"}},
            400,
            "has no `{}`",
            "parameters.hypothesis_template",
        ),
        (
            "/v1/classify",
            {"inputs": ["a", "b"], "parameters": {"candidate_labels": [str(n) for n in range(40)]}},
            400,
            "80 times a label with a text; the limit is 64",
            "parameters.candidate_labels",
        ),
        (
            "/v1/classify",
            {"inputs": "a", "parameters": {"candidate_labels": ["x", "x"]}},
            400,
            "label twice",
            "parameters.candidate_labels",
        ),
        ("/v1/classify", {"inputs": "a", "model": "acme/embedder"}, 400, "does not serve `classify`", "model"),
        ("/v1/classify", {"inputs": "a", "model": RERANKER}, 400, "its task is `rerank`", "model"),
        ("/v1/classify", {"inputs": "a", "model": "no/such"}, 404, "no model", "model"),
        (f"/v1/classify/{CLASSIFIER}", {"inputs": "a", "model": TAGGER}, 400, "not the model of the path", "model"),
        ("/v1/rerank", {"query": "", "documents": ["a"]}, 400, "`query`", "query"),
        ("/v1/rerank", {"query": "q", "documents": []}, 400, "`documents`", "documents"),
        ("/v1/rerank", {"query": "q", "documents": ["a", ""]}, 400, "`documents[1]`", "documents[1]"),
        ("/v1/rerank", {"query": "q", "documents": ["a"] * 65}, 400, "has 65 items", "documents"),
        ("/v1/rerank", {"query": "q", "documents": ["a"], "top_n": 0}, 400, "top_n", "top_n"),
        (
            "/v1/rerank",
            {"query": "q", "documents": ["a"], "model": CLASSIFIER},
            400,
            "does not serve `rerank`",
            "model",
        ),
        ("/v1/rerank", {"query": "q", "documents": [{"text": "a", "image": "b"}]}, 400, "image", "documents[0].image"),
        (
            "/v1/rerank",
            {"query": "q", "documents": ["a"], "max_tokens_per_doc": 3},
            400,
            "max_tokens_per_doc",
            "max_tokens_per_doc",
        ),
        ("/v1/rerank", b"x" * (2 << 20), 413, "", None),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(edge, path, body, status, message, param):
    reply = edge.post(path, body)
    assert reply.status == status, reply.body
    assert message in reply.error["message"]
    if param is not None:
        assert reply.error["param"] == param
    assert edge.instances.calls == []


@pytest.mark.parametrize(
    ("path", "body", "field", "told"),
    [
        ("/v1/classify", {"inputs": "a"}, "texts[0]", "inputs"),
        ("/v1/classify", {"inputs": ["a"]}, "texts[0]", "inputs[0]"),
        ("/v1/rerank", {"query": "q", "documents": ["a"]}, "documents[0]", "documents[0]"),
        ("/v1/classify", {"inputs": "a", "parameters": {"stride": 9}}, "stride", "parameters.stride"),
    ],
)
def test_what_the_model_refuses_is_named_as_the_body_has_it(edge, path, body, field, told):
    edge.instances.failure = InvalidInputError.at(field, "{field} is too long")
    assert edge.post(path, body).error["message"] == f"`{told}` is too long"


def test_a_model_without_entailment_says_so(edge):
    edge.instances.failure = PreconditionError("the model was not made to tell what entails what")
    reply = edge.post("/v1/classify", {"inputs": "a", "parameters": {"candidate_labels": ["x"]}})
    assert (reply.status, reply.error["code"]) == (400, "failed_precondition")


def test_info_tells_the_labels(edge):
    told = edge.get(f"/v1/models/{CLASSIFIER}/info").json["classify"]
    assert (told["labels"], told["function"]) == (["contradiction", "entailment", "neutral"], "softmax")


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("rerank", {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}),
        (
            "classify",
            {
                "classifier": {
                    "id2label": {"0": "contradiction", "1": "entailment", "2": "neutral"},
                    "label2id": {"contradiction": 0, "entailment": 1, "neutral": 2},
                }
            },
        ),
    ],
)
def test_info_of_a_server_with_labels_alone_is_that_of_its_model(edge, task, told):
    edge.models.defaults = {task: edge.models.defaults[task]}
    assert edge.get("/info").json["model_type"] == told
