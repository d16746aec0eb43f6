"""OpenAI's bodies, by hand and by the unmodified client."""

from __future__ import annotations

import base64

import numpy as np
import openai
import pytest

from panope_backends.errors import OverloadedError

EMBEDDER = "acme/embedder"
OWN_IDS = "prod/own-ids"
VECTOR = [0.3, 0.1, -1 / 3, 1e-7]  # of a text of three characters


@pytest.fixture
def client(edge):
    with openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_the_answer_is_openais(edge):
    reply = edge.post("/v1/embeddings", {"model": EMBEDDER, "input": ["one two", "abc"]})
    assert reply.status == 200
    assert reply.json == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.7, 0.1, -0.33333334, 1e-7]},
            {"object": "embedding", "index": 1, "embedding": [0.3, 0.1, -0.33333334, 1e-7]},
        ],
        "model": EMBEDDER,
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }


def test_floats_are_printed_short_and_read_back_as_the_same_float32(edge):
    body = edge.post("/v1/embeddings", {"model": EMBEDDER, "input": "abc"}).body
    assert b"[0.3,0.1,-0.33333334,1e-7]" in body
    values = np.array([0.3, 0.1, -0.33333334, 1e-7], "<f4")
    assert np.array_equal(values, np.array(VECTOR, "<f4"))


def test_base64_is_little_endian_float32(edge):
    reply = edge.post("/v1/embeddings", {"model": EMBEDDER, "input": "abc", "encoding_format": "base64"})
    told = base64.b64decode(reply.json["data"][0]["embedding"])
    assert told == np.array(VECTOR, "<f4").tobytes()


@pytest.mark.parametrize(
    ("given", "texts", "sequences"),
    [
        ("abc", ["abc"], []),
        (["abc", "d"], ["abc", "d"], []),
        ([101, 7592, 102], [], [[101, 7592, 102]]),
        ([[101, 102], [7]], [], [[101, 102], [7]]),
    ],
)
def test_every_form_of_input_reaches_the_pipeline(edge, given, texts, sequences):
    assert edge.post("/v1/embeddings", {"model": OWN_IDS, "input": given}).status == 200
    task_input = edge.instances.calls[-1].input
    assert (task_input.texts, task_input.token_sequences) == (texts, sequences)


def test_a_large_list_of_token_ids_arrives_whole(edge):
    sequences = [list(range(100_000 + i, 100_000 + i + 1000)) for i in range(60)]
    body = {"model": OWN_IDS, "input": sequences}
    assert edge.post("/v1/embeddings", body).status == 200
    assert edge.instances.calls[-1].input.token_sequences == sequences


def test_dimensions_are_passed_on(edge):
    reply = edge.post("/v1/embeddings", {"model": EMBEDDER, "input": "abc", "dimensions": 2})
    assert reply.json["data"][0]["embedding"] == [0.3, 0.1]


def test_null_means_absent(edge):
    body = {"model": EMBEDDER, "input": "abc", "dimensions": None, "encoding_format": None, "user": None}
    assert edge.post("/v1/embeddings", body).json["data"][0]["embedding"][0] == 0.3


def test_the_user_is_bound_to_the_log_lines_of_the_call_alone(edge):
    edge.post("/v1/embeddings", {"model": EMBEDDER, "input": "abc", "user": "u-1"})
    edge.post("/v1/embeddings", {"model": EMBEDDER, "input": "abc"})
    assert [words.get("end_user") for words in edge.instances.log_words] == ["u-1", None]


def test_the_client_embeds_with_its_own_defaults(edge, client):
    answer = client.embeddings.create(model=EMBEDDER, input=["abc", "de"])
    assert np.allclose(answer.data[0].embedding, VECTOR, rtol=1e-6)
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.usage.total_tokens == 2
    assert answer.model == EMBEDDER


def test_the_client_embeds_floats_and_token_ids(client):
    answer = client.embeddings.create(model=OWN_IDS, input=[[1, 2], [3]], encoding_format="float")
    assert [len(item.embedding) for item in answer.data] == [4, 4]


async def test_the_asynchronous_client_embeds(edge):
    async with openai.AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="unused") as client:
        answer = await client.embeddings.create(model=EMBEDDER, input="abc")
    assert np.allclose(answer.data[0].embedding, VECTOR, rtol=1e-6)


def test_the_client_lists_models_and_finds_one_by_its_name_with_a_slash(client):
    listed = list(client.models.list())
    assert [model.id for model in listed][:3] == [EMBEDDER, "acme/generator", "acme/tensors"]
    model = client.models.retrieve(EMBEDDER)
    assert (model.id, model.object, model.owned_by, model.created) == (EMBEDDER, "model", "acme", 1767323045)


def test_models_are_listed_by_task(edge):
    assert [model["id"] for model in edge.get("/v1/models?task=embed").json["data"]] == [EMBEDDER]


def test_the_client_understands_an_unknown_model(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.embeddings.create(model="acme/none", input="a")
    assert raised.value.code == "model_not_found"
    assert raised.value.param == "model"
    assert raised.value.type == "invalid_request_error"
    assert raised.value.request_id == raised.value.response.headers["x-request-id"]


def test_the_client_understands_a_wrong_field(client):
    with pytest.raises(openai.BadRequestError, match="unknown field `inputs`") as raised:
        client.embeddings.create(model=EMBEDDER, input="a", extra_body={"inputs": "b"})
    assert raised.value.param == "inputs"


def test_the_client_waits_as_long_as_a_full_queue_asks(edge):
    edge.instances.failure = OverloadedError("the queue is full", retry_after_seconds=0.25)
    with (
        openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused", max_retries=1) as client,
        pytest.raises(openai.RateLimitError) as raised,
    ):
        client.embeddings.create(model=EMBEDDER, input="a")
    assert len(edge.instances.calls) == 2
    assert raised.value.response.headers["retry-after-ms"] == "250"
    first, second = (call.started for call in edge.instances.calls)
    assert second - first >= 0.25


@pytest.mark.parametrize(
    ("route", "more"),
    [
        ("/v1/embeddings", {"model": EMBEDDER, "input": "abc"}),
        ("/v1/completions", {"model": "acme/generator", "prompt": "abc"}),
        ("/v1/chat/completions", {"model": "acme/generator", "messages": [{"role": "user", "content": "abc"}]}),
    ],
)
def test_a_body_may_say_on_what_hardware_its_call_runs(edge, route, more):
    for written, meant in (
        ("cuda, any", ("torch-cuda", "any")),
        (["openvino", "cpu"], ("openvino", "cpu")),
        (None, ()),
    ):
        edge.post(route, {**more, "hardware": written})
        assert edge.instances.calls[-1].hardware == meant
    before = len(edge.instances.calls)
    for wrong in (7, ["cpu", 7], "cpu,,any", "any,cpu", ["x" * 65]):
        reply = edge.post(route, {**more, "hardware": wrong})
        assert (reply.status, reply.error["param"].partition("[")[0]) == (400, "hardware")
    reply = edge.post(route, {**more, "hardware": "cpu"}, headers={"x-panope-hardware": "openvino"})
    assert (reply.status, reply.error["param"]) == (400, "hardware")
    assert len(edge.instances.calls) == before
