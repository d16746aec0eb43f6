"""The routes of Text Embeddings Inference and of the Inference API."""

from __future__ import annotations

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from rest_doubles.models import vector_of

from panope_backends.errors import InternalError, InvalidInputError, LoadingError, OverloadedError
from panope_server.transport.rest.embedding.vectors import of_length_one

EMBEDDER = "acme/embedder"
VECTOR = [0.3, 0.1, -0.33333334, 1e-7]  # of a text of three characters
MODEL = f"/models/{EMBEDDER}"
PATHS = ["/embed", "/", MODEL, f"{MODEL}/pipeline/feature-extraction", f"/pipeline/feature-extraction/{EMBEDDER}"]
SENTENCES = {"source_sentence": "abc", "sentences": ["abc", "a longer text"]}
COMPARING = ["/similarity", "/", MODEL, f"{MODEL}/pipeline/sentence-similarity"]


def cosine(one: str, other: str) -> float:
    first, second = np.array(vector_of(one)), np.array(vector_of(other))
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.parametrize("path", PATHS)
def test_texts_are_embedded_normalised_unless_the_body_says_otherwise(edge, path):
    scaled = np.array(edge.post(path, {"inputs": ["abc", "d"]}).json)
    given = np.array([VECTOR, [0.1, *VECTOR[1:]]])
    assert scaled == pytest.approx(given / np.linalg.norm(given, axis=1)[:, None], abs=1e-7)
    assert edge.post(path, {"inputs": "abc", "normalize": False}).json == [VECTOR]
    calls = edge.instances.calls
    assert [(call.model, call.input.normalize) for call in calls] == [(EMBEDDER, None), (EMBEDDER, False)]


def test_vectors_of_length_one_and_of_zeros_stay_as_the_model_gave_them():
    given = np.float32([[0.6, 0.8], [0, 0], [3e30, 4e30], [3e-30, 4e-30]])
    scaled = of_length_one(given)
    assert scaled.dtype == np.float32
    assert scaled[:2].tobytes() == given[:2].tobytes()
    assert scaled[2:] == pytest.approx(np.array([[0.6, 0.8]] * 2), abs=1e-7)


@pytest.mark.parametrize("path", [*PATHS, "/similarity", f"{MODEL}/pipeline/sentence-similarity"])
def test_of_a_model_of_sparse_vectors_the_route_is_refused_and_no_field_that_nobody_sent(edge, path):
    edge.instances.sparse = True
    reply = edge.post(path, {"inputs": SENTENCES if "similarity" in path else "abc"})
    assert (reply.status, reply.json["error_type"]) == (400, "Validation")
    assert "sparse vectors, which this route does not hold; /embed_sparse" in reply.json["error"]
    assert edge.instances.calls[-1].input.normalize is None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("options", "truncation"),
    [
        ({}, "refuse"),
        ({"truncate": False, "truncation_direction": "Right"}, "refuse"),
        ({"truncate": True, "truncation_direction": "Left", "prompt_name": None}, "start"),
        ({"truncate": True}, "end"),
        ({"parameters": {"truncate": True}, "options": {"wait_for_model": True}}, "end"),
    ],
)
def test_the_servers_own_fields_are_taken(edge, path, options, truncation):
    assert edge.post(path, {"inputs": "abc", **options}).status == 200
    assert edge.instances.calls[-1].input.truncation == truncation
    assert edge.instances.calls[-1].wait is ("options" in options)


@pytest.mark.parametrize("path", PATHS)
def test_token_ids_are_the_models_own(edge, path):
    assert edge.post(path, {"inputs": [[101, 102]]}).status == 200
    assert edge.instances.calls[-1].input.token_sequences == [[101, 102]]


@pytest.mark.parametrize("path", COMPARING)
def test_a_sentence_is_compared_with_others(edge, path):
    reply = edge.post(path, {"inputs": SENTENCES, "parameters": {"truncate": True}})
    assert reply.json == pytest.approx([cosine("abc", text) for text in SENTENCES["sentences"]], abs=1e-6)
    task_input = edge.instances.calls[-1].input
    assert (task_input.texts, task_input.normalize, task_input.truncation) == (
        ["abc", *SENTENCES["sentences"]],
        None,
        "end",
    )


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("texts[0]", "`inputs.source_sentence` is too long"),
        ("texts[2]", "`inputs.sentences[1]` is too long"),
        ("texts", "`inputs.sentences` is too long"),
    ],
)
def test_a_sentence_that_is_refused_is_named_as_the_body_has_it(edge, field, told):
    edge.instances.failure = InvalidInputError.at(field, "{field} is too long")
    assert edge.post("/similarity", {"inputs": SENTENCES}).json == {"error": told, "error_type": "Validation"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/embed", {"inputs": ""}, "`inputs` is empty"),
        ("/embed", {"inputs": "a", "zzz": 1}, "unknown field `zzz`"),
        ("/", {}, "`inputs` is missing"),
        ("/", {"inputs": {"source_sentence": "a"}}, "`inputs.sentences` is missing"),
        ("/similarity", {"inputs": "a"}, "`inputs` must be an object"),
        ("/similarity", {"inputs": SENTENCES, "normalize": False}, "`normalize` must be"),
        ("/similarity", {"inputs": SENTENCES, "encoding_format": "base64"}, "`encoding_format` must be"),
        (
            f"{MODEL}/pipeline/object-detection",
            {"inputs": "a"},
            "the task of the path must be one of `feature-",
        ),
        (MODEL, {"inputs": "a", "model": "acme/other"}, "`model` is not the model of the path"),
        ("/embed?x=1", {"inputs": "a"}, "unknown query parameter `x`"),
        ("/tokenize", {"inputs": "a", "prompt_name": "q"}, "unknown field `prompt_name`"),
        ("/decode", {"ids": "abc"}, "`ids` must be token ids"),
        ("/embed_all", {"inputs": "a", "truncate": True}, "`truncate` must be `false`"),
        ("/embed_sparse", {"inputs": "a", "normalize": True}, "unknown field `normalize`"),
        ("/embed_sparse", {"inputs": ["a", ""]}, "`inputs[1]`"),
        ("/embed", b'{"inputs": "a", "inputs": "b"}', "`inputs` is given twice"),
    ],
)
def test_what_cannot_be_done_is_refused_as_the_server_does_it(edge, path, body, message):
    reply = edge.post(path, body)
    assert (reply.status, set(reply.json), reply.json["error_type"]) == (422, {"error", "error_type"}, "Validation")
    assert message in reply.json["error"]
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "body", "task"),
    [
        ("/embed_sparse", {"inputs": "a"}, "the model gives no sparse vectors"),
    ],
)
def test_what_the_model_does_not_give_is_refused_in_the_servers_shape(edge, path, body, task):
    reply = edge.post(path, body)
    assert (reply.status, set(reply.json), reply.json["error_type"]) == (400, {"error", "error_type"}, "Validation")
    assert task in reply.json["error"]


def test_what_the_edge_refuses_has_the_servers_shape_too(edge):
    refused = edge.request("GET", "/embed")
    assert (refused.status, set(refused.json), refused.json["error_type"]) == (
        405,
        {"error", "error_type"},
        "Validation",
    )
    large = edge.post("/embed", b'{"inputs": "' + b"a" * (1 << 20) + b'"}')
    assert (large.status, large.json["error_type"]) == (413, "Validation")
    plain = edge.post("/embed", {"inputs": "a"}, {"content-type": "text/plain"})
    assert (plain.status, plain.json["error_type"]) == (415, "Validation")


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (OverloadedError("full", retry_after_seconds=0.25), 429, "Overloaded"),
        (LoadingError("wait", retry_after_seconds=5), 503, "Unhealthy"),
        (InternalError('it "broke": \'"error_type": "x"\''), 500, "Backend"),
    ],
)
def test_a_failure_keeps_its_status_and_its_time_to_come_back(edge, failure, status, kind):
    edge.instances.failure = failure
    reply = edge.post("/embed", {"inputs": "abc"})
    assert (reply.status, reply.json) == (status, {"error": failure.message, "error_type": kind})
    if failure.retry_after_seconds:
        assert int(reply.headers["retry-after-ms"]) == failure.retry_after_seconds * 1000


def test_an_unknown_model_of_the_path_is_404(edge):
    reply = edge.post("/models/acme/none", {"inputs": "a"})
    assert (reply.status, reply.json["error_type"]) == (404, "Validation")
    assert "`acme/none`" in reply.json["error"]


def test_loading_is_no_model_of_the_path(edge):
    assert edge.post("/models/load", {"model": EMBEDDER}).json["name"] == EMBEDDER


def test_tokens_have_their_place_in_bytes_and_special_ones_have_none(edge):
    reply = edge.post("/tokenize", {"inputs": ["Straße 東京", "a"]})
    assert reply.json[0] == [
        {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None},
        {"id": 6, "text": "Straße", "special": False, "start": 0, "stop": 7},
        {"id": 2, "text": "東京", "special": False, "start": 8, "stop": 14},
        {"id": 102, "text": "[SEP]", "special": True, "start": None, "stop": None},
    ]
    assert [len(tokens) for tokens in reply.json] == [4, 3]
    plain = edge.post("/tokenize", {"inputs": "a", "add_special_tokens": False})
    assert plain.json == [[{"id": 1, "text": "a", "special": False, "start": 0, "stop": 1}]]


def test_ids_are_joined_into_texts(edge):
    assert edge.post("/decode", {"ids": [1, 2]}).json == ["w1 w2"]
    assert edge.post("/decode", {"ids": [[1], [2, 3]], "skip_special_tokens": False}).json == ["w1", "w2 w3"]
    assert edge.instances.calls[-1].input.skip_special_tokens is False


def test_every_token_has_its_own_vector(edge):
    reply = edge.post("/embed_all", {"inputs": ["abc de", "a"]})
    assert reply.json == [[[101, -101], [3, -3], [2, -2], [102, -102]], [[101, -101], [1, -1], [102, -102]]]
    masks = [call.input.inputs[1] for call in edge.instances.calls[1:]]
    assert [(mask.name, mask.shape) for mask in masks] == [("attention_mask", (1, 4)), ("attention_mask", (1, 3))]


def test_a_text_with_more_tokens_than_the_model_takes_has_no_vectors(edge):
    reply = edge.post("/embed_all", {"inputs": ["a", "a " * 300]})
    assert reply.json == {
        "error": "`inputs[1]` has 302 tokens; the model takes at most 256",
        "error_type": "Validation",
    }


def test_info_tells_of_the_default_model(edge):
    told = edge.get("/info").json
    assert (told["model_id"], told["model_dtype"], told["max_input_length"]) == (EMBEDDER, "bf16", 256)
    assert told["model_type"] == {"embedding": {"pooling": "mean"}}
    assert told["max_client_batch_size"] == 64
    assert InferenceClient(provider="hf-inference").get_endpoint_info(model=edge.url) == told


@pytest.mark.parametrize("path", ["", "/embed", MODEL, f"{MODEL}/pipeline/feature-extraction"])
def test_hugging_faces_client_extracts_features_at_every_address(edge, path):
    vectors = InferenceClient(model=edge.url + path).feature_extraction(["abc", "abc"], truncate=True)
    assert vectors == pytest.approx(np.array([VECTOR, VECTOR]) / np.linalg.norm(VECTOR), abs=1e-7)


@pytest.mark.parametrize("path", ["", "/similarity", MODEL, f"{MODEL}/pipeline/sentence-similarity"])
def test_hugging_faces_client_compares_sentences_at_every_address(edge, path):
    client = InferenceClient(model=edge.url + path)
    told = client.sentence_similarity(SENTENCES["source_sentence"], other_sentences=SENTENCES["sentences"])
    assert told == pytest.approx([cosine("abc", text) for text in SENTENCES["sentences"]], abs=1e-6)


def test_hugging_faces_client_understands_the_errors(edge):
    with pytest.raises(HfHubHTTPError, match="`inputs` is empty") as caught:
        InferenceClient(model=edge.url).feature_extraction("")
    assert caught.value.response.status_code == 422
    edge.instances.failure = OverloadedError("the queue is full", retry_after_seconds=1)
    with pytest.raises(HfHubHTTPError, match="the queue is full"):
        InferenceClient(model=edge.url).feature_extraction("a")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"inputs": "a"}),
        ("/decode", {"ids": [1]}),
        ("/embed_all", {"inputs": "a"}),
        ("/embed_sparse", {"inputs": "a"}),
        ("/predict", {"inputs": "a"}),
        ("/rerank", {"query": "a", "texts": ["b"]}),
    ],
)
def test_every_route_of_texts_runs_the_model_that_its_body_names(edge, path, body):
    refused = edge.post(path, {**body, "model": "acme/none"})
    assert refused.status == 404
    assert "`acme/none`" in refused.json["error"]
