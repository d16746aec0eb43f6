"""Token ids are run as the model's own only where somebody has said that they are."""

from __future__ import annotations

import grpc
import openai
import pytest

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc as pb_grpc

EMBEDDER = "acme/embedder"
OWN_IDS = "prod/own-ids"
OPENAIS_IDS = "text-embedding-3-small"
#: OpenAI's ids of two texts, as tiktoken gives them.
HELLO, TOKYO = [15339, 1917], [14276, 109, 47653]


@pytest.mark.parametrize("given", [HELLO, [HELLO, TOKYO], [[1000] * 1000] * 60])
def test_token_ids_of_nobody_knows_whose_vocabulary_are_refused_with_what_to_do(edge, given):
    reply = edge.post("/v1/embeddings", {"model": EMBEDDER, "input": given})
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "token_ids_not_allowed", "input")
    assert "check_embedding_ctx_length=False" in reply.error["message"]
    assert "`openai.cl100k_token_ids`" in reply.error["message"]
    assert edge.instances.calls == []


def test_the_client_hears_of_refused_ids_as_its_own_mistake(edge):
    with (
        openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused") as client,
        pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"),
    ):
        client.embeddings.create(model=EMBEDDER, input=[HELLO])


def test_ids_for_an_alias_whose_callers_send_the_models_own_are_run_as_they_are(edge):
    assert edge.post("/v1/embeddings", {"model": OWN_IDS, "input": [[101, 102]]}).status == 200
    task_input = edge.instances.calls[-1].input
    assert (edge.instances.calls[-1].model, task_input.texts, task_input.token_sequences) == (
        EMBEDDER,
        [],
        [[101, 102]],
    )


def test_ids_for_an_alias_whose_callers_send_openais_are_run_as_the_texts_that_they_stand_for(edge):
    reply = edge.post("/v1/embeddings", {"model": OPENAIS_IDS, "input": [HELLO, TOKYO]})
    task_input = edge.instances.calls[-1].input
    assert (task_input.texts, task_input.token_sequences) == (["hello world", "東京"], [])
    assert reply.json["usage"]["prompt_tokens"] == 3  # of the texts, as the model counts


@pytest.mark.parametrize(
    ("given", "param"), [([1, 100256], "input"), ([HELLO, [100277]], "input[1]"), ([[2**31 - 1]], "input[0]")]
)
def test_ids_that_openais_vocabulary_has_not_are_refused_by_their_place(edge, given, param):
    reply = edge.post("/v1/embeddings", {"model": OPENAIS_IDS, "input": given})
    assert (reply.status, reply.error["param"]) == (400, param)
    assert "cl100k_base" in reply.error["message"]


def test_the_typed_service_takes_the_models_own_ids_always(edge):
    with grpc.insecure_channel(f"127.0.0.1:{edge.grpc_port}") as channel:
        request = pb.EmbedRequest(model=EMBEDDER, token_sequences=[pb.TokenSequence(ids=[101, 102])])
        assert pb_grpc.EmbedServiceStub(channel).Embed(request).count == 1
    assert edge.instances.calls[-1].input.token_sequences == [[101, 102]]


def test_hugging_faces_body_means_the_models_own_ids(edge):
    assert edge.post("/v1/embed", {"inputs": [[101, 102]]}).status == 200
    assert edge.instances.calls[-1].input.token_sequences == [[101, 102]]
