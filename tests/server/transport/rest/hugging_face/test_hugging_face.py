"""Hugging Face's bodies, by hand and by the unmodified client."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import BadRequestError, HfHubHTTPError

EMBEDDER = "acme/embedder"
VECTOR = np.array([0.3, 0.1, -1 / 3, 1e-7], "<f4")


@pytest.mark.parametrize("path", ["/v1/embed", "/v1/embed/acme/embedder", "/v1/embed/acme%2Fembedder"])
def test_one_text_gives_a_list_of_one_vector(edge, path):
    reply = edge.post(path, {"inputs": "abc"})
    assert reply.body == b"[[0.3,0.1,-0.33333334,1e-7]]"
    assert edge.instances.calls[-1].model == EMBEDDER


def test_options_reach_the_pipeline(edge):
    options = {
        "normalize": False,
        "prompt_name": "query",
        "truncate": True,
        "truncation_direction": "left",
        "dimensions": 2,
    }
    assert edge.post("/v1/embed", {"inputs": ["abc"], "model": EMBEDDER, **options}).json == [[0.3, 0.1]]
    task_input = edge.instances.calls[-1].input
    assert (task_input.normalize, task_input.prompt_name, task_input.truncation, task_input.dimensions) == (
        False,
        "query",
        "start",
        2,
    )


@pytest.mark.parametrize(
    ("given", "truncation"),
    [({}, "refuse"), ({"truncate": False}, "refuse"), ({"truncate": True}, "end")]
    + [({"truncate": True, "truncation_direction": side}, "end") for side in ("right", "Right")]
    + [({"truncate": True, "truncation_direction": side}, "start") for side in ("left", "Left")],
)
def test_truncation_is_named_as_the_pipeline_names_it(edge, given, truncation):
    edge.post("/v1/embed", {"inputs": "abc", **given})
    assert edge.instances.calls[-1].input.truncation == truncation


def test_a_direction_without_truncation_is_refused(edge):
    reply = edge.post("/v1/embed", {"inputs": "abc", "truncation_direction": "left"})
    assert (reply.status, reply.error["param"]) == (400, "truncation_direction")


def test_a_model_in_the_body_must_be_that_of_the_path(edge):
    reply = edge.post("/v1/embed/acme/embedder", {"inputs": "abc", "model": "acme/tensors"})
    assert (reply.status, reply.error["param"]) == (400, "model")


def test_base64_vectors_are_a_list_of_texts(edge):
    reply = edge.post("/v1/embed", {"inputs": ["abc"], "encoding_format": "base64"})
    assert base64.b64decode(reply.json[0]) == VECTOR.tobytes()


@pytest.mark.parametrize("path", ["/v1/embed", "/v1/embed/acme/embedder"])
@pytest.mark.parametrize("texts", ["abc", ["abc", "abc"]])
def test_the_client_extracts_features(edge, path, texts):
    vectors = InferenceClient(model=edge.url + path).feature_extraction(texts, normalize=True, truncate=True)
    assert vectors.shape == (1 if isinstance(texts, str) else 2, 4)
    assert np.array_equal(vectors[0], VECTOR)


def test_the_client_understands_errors(edge):
    with pytest.raises(HfHubHTTPError, match="there is no model `acme/none`") as raised:
        InferenceClient(model=f"{edge.url}/v1/embed/acme/none").feature_extraction("abc")
    assert raised.value.response.status_code == 404
    with pytest.raises(BadRequestError, match="`inputs` is empty"):
        InferenceClient(model=f"{edge.url}/v1/embed").feature_extraction("")
