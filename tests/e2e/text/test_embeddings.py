"""The same vectors by every way in, against sentence-transformers in float32."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from openai import AsyncOpenAI, OpenAI

from panope.v1 import embed_service_pb2 as pb
from panope_client import AsyncClient, Client, PreconditionError, on_hardware

#: bf16 keeps three digits of each number; float32 differs in the order of additions alone.
LEAST_COSINE = {"fp32": 0.9999, "bf16": 0.9995}


@pytest.fixture(scope="module")
def least_cosine(live_server) -> float:
    info = live_server.get(f"/v1/models/{live_server.model}/info").json
    return LEAST_COSINE[info["instances"][0]["precision"]]


def test_grpc_vectors_equal_those_of_sentence_transformers(
    live_server, stubs, golden_texts, golden_vectors, cosines, least_cosine
) -> None:
    response = stubs(live_server.grpc_address).embed.Embed(pb.EmbedRequest(model=live_server.model, texts=golden_texts))
    vectors = np.frombuffer(response.vectors, "<f4").reshape(response.count, response.dimensions)
    assert (response.model, response.count, response.dimensions) == (live_server.model, 200, 384)
    assert cosines(vectors, golden_vectors).min() >= least_cosine
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert all(2 <= tokens <= 256 for tokens in response.token_counts)
    assert not response.truncated_indices


async def test_64_concurrent_callers_each_get_their_own_vectors_in_their_own_order(
    live_server, golden_texts, golden_vectors, cosines, least_cosine
) -> None:
    async with AsyncClient(live_server.grpc_address) as client:

        async def one(caller: int) -> tuple[list[int], np.ndarray]:
            picked = [(caller * 7 + step * 3) % 200 for step in range(1 + caller % 9)]
            answer = await client.embed([golden_texts[index] for index in picked], model=live_server.model)
            return picked, answer.vectors

        for picked, vectors in await asyncio.gather(*(one(caller) for caller in range(64))):
            assert cosines(vectors, golden_vectors[picked]).min() >= least_cosine


@pytest.mark.slow
def test_a_text_alone_and_in_a_batch_gives_the_same_vector(live_server, golden_texts, cosines) -> None:
    with Client(live_server.grpc_address) as client:
        together = client.embed(golden_texts[:40], model=live_server.model).vectors
        alone = np.vstack([client.embed([text], model=live_server.model).vectors for text in golden_texts[:40]])
    # bf16 rounds sums of other lengths otherwise; fp32 agrees to six digits.
    assert cosines(together, alone).min() >= 0.9999


@pytest.mark.parametrize("encoding_format", ["float", "base64", None])
def test_the_unmodified_openai_client(
    live_server, golden_texts, golden_vectors, cosines, least_cosine, encoding_format
) -> None:
    more = {} if encoding_format is None else {"encoding_format": encoding_format}
    with OpenAI(base_url=f"{live_server.http_url}/v1", api_key="none", max_retries=0) as client:
        answer = client.embeddings.create(model=live_server.model, input=golden_texts[:30], **more)
        assert [item.index for item in answer.data] == list(range(30))
        assert answer.usage.prompt_tokens == answer.usage.total_tokens > 60
        vectors = [item.embedding for item in answer.data]
        if encoding_format == "base64":
            import base64

            vectors = [np.frombuffer(base64.b64decode(vector), "<f4") for vector in vectors]
        assert cosines(vectors, golden_vectors[:30]).min() >= least_cosine
        listed = [model.id for model in client.models.list()]
        assert live_server.model in listed
        assert client.models.retrieve(live_server.model).owned_by == "sentence-transformers"


@pytest.mark.slow
async def test_64_connections_of_the_openai_client(
    live_server, golden_texts, golden_vectors, cosines, least_cosine
) -> None:
    async with AsyncOpenAI(base_url=f"{live_server.http_url}/v1", api_key="none", max_retries=0) as client:

        async def one(index: int) -> list[float]:
            answer = await client.embeddings.create(model=live_server.model, input=golden_texts[index])
            return answer.data[0].embedding

        vectors = await asyncio.gather(*(one(index) for index in range(64)))
    assert cosines(vectors, golden_vectors[:64]).min() >= least_cosine


def test_the_unmodified_hugging_face_client(live_server, golden_texts, golden_vectors, cosines, least_cosine) -> None:
    client = InferenceClient(base_url=f"{live_server.http_url}/v1/embed")
    vector = client.feature_extraction(golden_texts[5])
    assert cosines(np.asarray(vector).reshape(1, -1), golden_vectors[5:6]).min() >= least_cosine


def test_token_ids_give_the_vector_of_their_text(
    live_server, golden_texts, golden_vectors, cosines, least_cosine
) -> None:
    with Client(live_server.grpc_address) as client:
        ids = [list(text.ids) for text in client.tokenize(golden_texts[:5], model=live_server.model)]
        vectors = client.embed(ids, model=live_server.model).vectors
        texts = client.detokenize([ids[0]], model=live_server.model)
    assert cosines(vectors, golden_vectors[:5]).min() >= least_cosine
    assert texts[0]


def test_fewer_dimensions_are_the_leading_values_normalised_again(live_server, golden_texts, golden_vectors) -> None:
    with Client(live_server.grpc_address) as client:
        short = client.embed(golden_texts[:4], model=live_server.model, dimensions=64).vectors
    expected = golden_vectors[:4, :64] / np.linalg.norm(golden_vectors[:4, :64], axis=1, keepdims=True)
    assert short.shape == (4, 64)
    assert np.abs(short - expected).max() < 0.02


def test_a_long_text_is_refused_unless_the_caller_wants_it_cut(live_server, stubs) -> None:
    long = "word " * 400
    with Client(live_server.grpc_address) as client:
        answer = client.embed(["short", long], model=live_server.model, truncation="end")
    assert list(answer.truncated_indices) == [1]
    assert answer.token_counts[1] == 256
    refused = live_server.post("/v1/embeddings", {"model": live_server.model, "input": ["short", long]})
    assert refused.status == 400
    assert refused.error["param"] == "input[1]"
    assert "256" in refused.error["message"]
    assert "402" in refused.error["message"]


def test_a_stream_answers_in_order_and_survives_a_bad_request(live_server, stubs, golden_texts) -> None:
    requests = [
        pb.StreamEmbedRequest(id=str(n), request=pb.EmbedRequest(model=live_server.model, texts=[golden_texts[n]]))
        for n in range(20)
    ]
    requests[7].request.texts[:] = []
    answers = list(stubs(live_server.grpc_address).embed.StreamEmbed(iter(requests)))
    assert [answer.id for answer in answers] == [str(n) for n in range(20)]
    assert answers[7].error.field == "texts"
    assert all(answer.WhichOneof("result") == "response" for n, answer in enumerate(answers) if n != 7)


def test_many_threads_share_one_python_client(live_server, golden_texts) -> None:
    with Client(live_server.grpc_address) as client, ThreadPoolExecutor(16) as pool:
        shapes = list(
            pool.map(lambda text: client.embed([text], model=live_server.model).vectors.shape, golden_texts[:100])
        )
    assert set(shapes) == {(1, 384)}


def test_the_vectors_of_a_texts_tokens_make_its_vector(live_server, golden_texts, golden_vectors, cosines) -> None:
    texts = golden_texts[3:6]
    together = live_server.post("/embed", {"inputs": texts}).json
    tokens = live_server.post("/embed_all", {"inputs": texts}).json
    assert cosines(together, golden_vectors[3:6]).min() >= 0.9995
    assert cosines([np.mean(rows, axis=0) for rows in tokens], golden_vectors[3:6]).min() >= 0.999
    named = live_server.post("/tokenize", {"inputs": texts}).json
    assert [len(rows) for rows in tokens] == [len(found) for found in named]
    assert all(found[0]["special"] and found[-1]["special"] for found in named)


def test_openais_token_ids_never_pass_for_the_models_own(live_server) -> None:
    reply = live_server.post("/v1/embeddings", {"model": live_server.model, "input": [[15339, 1917]]})
    assert (reply.status, reply.error["code"]) == (400, "token_ids_not_allowed")


def test_calls_get_the_hardware_that_they_ask_for_or_are_told_what_there_is(live_server) -> None:
    body = {"model": live_server.model, "input": "hello"}
    refused = live_server.post("/v1/embeddings", body, headers={"x-panope-hardware": "cuda,cpu"})
    assert (refused.status, refused.json["error"]["code"]) == (400, "hardware_unavailable")
    assert "runs on `openvino` here" in refused.json["error"]["message"]
    for taken in ({"hardware": "openvino"}, {"hardware": ["cuda", "any"]}):
        assert live_server.post("/v1/embeddings", {**body, **taken}).status == 200
    refused_so = pytest.raises(PreconditionError, match="`x-panope-hardware` asks for `cpu`")
    with Client(live_server.grpc_address) as client, on_hardware("cpu"), refused_so:
        client.embed(["hello"], live_server.model)
