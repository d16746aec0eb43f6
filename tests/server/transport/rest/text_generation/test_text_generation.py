"""The routes of Text Generation Inference through Envoy, by bytes and by the unmodified client."""

from __future__ import annotations

import json

import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import GenerationError, OverloadedError, ValidationError
from rest_doubles.models import GENERATOR

from panope_backends.errors import InvalidInputError
from panope_backends.errors import OverloadedError as QueueFullError
from panope_server.tasks.generate.types import GenerateDelta, Logprob, Sampling, TokenLogprobs

MODEL = f"/models/{GENERATOR}"
#: Where a text is continued in one body, and where token by token unless the body says otherwise.
PATHS = ["/generate", "/v1/generate", MODEL, f"{MODEL}/pipeline/text-generation"]
STREAMS = ["/generate_stream", "/v1/generate_stream"]


def events(reply) -> list:
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8", reply.body
    return [json.loads(line.removeprefix("data: ")) for line in reply.body.decode().split("\n\n") if line]


def asked(edge):
    return edge.instances.calls[-1].input


@pytest.mark.parametrize("path", PATHS)
def test_a_text_is_continued(edge, path):
    reply = edge.post(path, {"inputs": "Say"})
    assert (reply.status, reply.json) == (200, {"generated_text": "Hello wörld"})
    assert (asked(edge).prompts, edge.instances.calls[-1].model) == (["Say"], GENERATOR)


@pytest.mark.parametrize("path", PATHS)
def test_the_tokens_are_told_with_details(edge, path):
    given = {"details": True, "top_n_tokens": 2, "seed": 5, "return_full_text": True, "decoder_input_details": True}
    told = edge.post(path, {"inputs": "Say", "parameters": given}).json
    assert told["generated_text"] == "SayHello wörld"
    details = told["details"]
    assert (details["finish_reason"], details["generated_tokens"], details["seed"]) == ("eos_token", 3, 5)
    assert details["tokens"][0] == {"id": 10, "text": "Hel", "logprob": -0.25, "special": False}
    assert [token["id"] for token in details["top_tokens"][0]] == [10, 99]
    assert details["prefill"] == [
        {"id": 101, "text": "S", "logprob": None},
        {"id": 5, "text": "ay", "logprob": -0.25},
    ]


@pytest.mark.parametrize(
    ("path", "body"), [*((path, {}) for path in STREAMS), *((path, {"stream": True}) for path in [*PATHS, "/"])]
)
def test_a_stream_has_an_event_for_each_token_and_the_text_in_the_last(edge, path, body):
    told = events(edge.post(path, {"inputs": "Say", "parameters": {"details": True}, **body}))
    assert [(each["index"], each["token"]["text"]) for each in told] == [(1, "Hel"), (2, "lo"), (3, " wörld")]
    assert [each["generated_text"] for each in told] == [None, None, "Hello wörld"]
    assert told[-1]["details"] == {
        "finish_reason": "eos_token",
        "generated_tokens": 3,
        "seed": None,
        "input_length": 7,
    }


def test_a_route_of_streams_answers_in_one_body_when_it_is_asked_to(edge):
    assert edge.post("/generate_stream", {"inputs": "Say", "stream": False}).json == {"generated_text": "Hello wörld"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Sampling(temperature=0.0)),
        ({"do_sample": True}, Sampling()),
        ({"temperature": 0.5}, Sampling(temperature=0.5)),
        ({"top_k": 5, "do_sample": False}, Sampling(top_k=5)),
        (
            {"top_p": 0.5, "repetition_penalty": 1.5, "frequency_penalty": 1, "seed": 3},
            Sampling(top_p=0.5, repetition_penalty=1.5, frequency_penalty=1, seed=3),
        ),
    ],
)
def test_tokens_are_drawn_where_the_body_says_how(edge, given, expected):
    edge.post("/generate", {"inputs": "a", "parameters": given})
    assert asked(edge).options.sampling == expected


def test_every_other_parameter_reaches_the_model(edge):
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    given = {
        "max_new_tokens": 7,
        "stop": ["END"],
        "truncate": 9,
        "grammar": {"type": "json", "value": schema},
        "best_of": 1,
        "watermark": False,
        "typical_p": None,
        "adapter_id": None,
    }
    assert edge.post("/generate", {"inputs": "a", "parameters": given}).status == 200
    options = asked(edge).options
    assert (options.max_tokens, options.stop, options.include_stop) == (7, ["END"], True)
    assert (options.truncate_prompt_tokens, options.logprobs) == (9, None)
    assert (options.grammar_kind, json.loads(options.grammar_source)) == ("json_schema", schema)
    given["grammar"] = {"type": "json_schema", "value": {"name": "x", "schema": schema}}
    edge.post("/generate", {"inputs": "a", "parameters": given})
    assert json.loads(asked(edge).options.grammar_source) == schema
    given["grammar"] = {"type": "regex", "value": "a+"}
    edge.post("/generate", {"inputs": "a", "parameters": given})
    assert asked(edge).options.grammar_source == "a+"


@pytest.mark.parametrize(
    "given",
    [
        {"best_of": 2},
        {"typical_p": 0.5},
        {"watermark": True},
        {"adapter_id": "x"},
        {"max_new_tokens": 0},
        {"top_n_tokens": 2},
        {"decoder_input_details": True},
        {"stop_sequences": ["b"], "stop": ["a"]},
        {"grammar": {"type": "json", "value": 5}},
        {"zzz": 1},
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_name(edge, given):
    reply = edge.post("/generate", {"inputs": "a", "parameters": given})
    name = next(iter(given))
    assert (reply.status, reply.json["error_type"]) == (422, "validation")
    assert f"`parameters.{name}" in reply.json["error"] or f"`{name}`" in reply.json["error"]


def test_what_the_model_refuses_is_named_as_the_body_has_it(edge):
    edge.instances.failure = InvalidInputError.at("prompts[0]", "{field} is too long")
    reply = edge.post("/generate", {"inputs": "a"})
    assert reply.json == {"error": "`inputs` is too long", "error_type": "validation"}


def test_a_character_that_lies_across_tokens_comes_with_the_last(edge):
    halves = [TokenLogprobs(Logprob(1, b"\xc3", -1.0)), TokenLogprobs(Logprob(2, b"\xb6", -1.0))]
    edge.instances.script.deltas = [GenerateDelta(text="ö", logprobs=halves, finish_reason="length")]
    told = events(edge.post("/generate_stream", {"inputs": "a"}))
    assert [each["token"]["text"] for each in told] == ["", "ö"]
    assert told[-1]["generated_text"] == "ö"


def test_the_models_own_end_is_a_special_token(edge):
    end = [TokenLogprobs(Logprob(2, b"</s>", -1.0))]
    edge.instances.script.deltas = [GenerateDelta(logprobs=end, finish_reason="stop")]
    (told,) = events(edge.post("/generate_stream", {"inputs": "a"}))
    assert (told["token"]["special"], told["generated_text"]) == (True, "")


def test_a_stream_of_an_engine_without_probabilities_has_none(edge):
    edge.instances.script.unsupported = "logprobs"
    told = events(edge.post("/generate_stream", {"inputs": "Say"}))
    assert [(each["token"]["id"], each["token"]["text"], each["token"]["logprob"]) for each in told] == [
        (10, "Hel", None),
        (11, "lo", None),
        (12, " wörld", None),
    ]
    assert told[-1]["generated_text"] == "Hello wörld"


@pytest.mark.parametrize("path", ["/generate", "/generate_stream"])
@pytest.mark.parametrize(
    ("given", "field"),
    [({"details": True}, "parameters.details"), ({"details": True, "top_n_tokens": 2}, "parameters.top_n_tokens")],
)
def test_probabilities_that_were_asked_for_are_refused_by_an_engine_without(edge, path, given, field):
    edge.instances.script.unsupported = "logprobs"
    reply = edge.post(path, {"inputs": "Say", "parameters": given})
    assert (reply.status, reply.json["error_type"]) == (422, "validation")
    assert f"`{field}`" in reply.json["error"]


@pytest.fixture(params=["", "/generate", "/v1/generate", MODEL])
def client(edge, request):
    return InferenceClient(base_url=f"{edge.url}{request.param}" if request.param else edge.url)


def test_the_client_continues_a_text(edge, client):
    assert client.text_generation("Say", max_new_tokens=5) == "Hello wörld"
    assert asked(edge).options.max_tokens == 5


def test_the_client_is_told_details(client):
    answer = client.text_generation("Say", details=True, seed=3)
    assert (answer.generated_text, answer.details.finish_reason) == ("Hello wörld", "eos_token")
    assert [token.text for token in answer.details.tokens] == ["Hel", "lo", " wörld"]


def test_the_client_streams(client):
    assert list(client.text_generation("Say", stream=True)) == ["Hel", "lo", " wörld"]
    *_, last = client.text_generation("Say", stream=True, details=True)
    assert (last.generated_text, last.details.input_length, last.token.id) == ("Hello wörld", 7, 12)


async def test_the_asynchronous_client_streams(edge):
    async with AsyncInferenceClient(base_url=edge.url) as client:
        stream = await client.text_generation("Say", stream=True)
        assert [text async for text in stream] == ["Hel", "lo", " wörld"]


def test_the_client_understands_errors(edge, client):
    with pytest.raises(ValidationError, match="must be 1"):
        client.text_generation("Say", best_of=2)
    edge.instances.failure = QueueFullError("the queue is full")
    with pytest.raises(OverloadedError, match="the queue is full"):
        client.text_generation("Say", max_new_tokens=5)


def test_the_client_sees_an_error_in_the_middle_of_a_stream(edge, client):
    edge.instances.script.failure = RuntimeError("secret")
    with pytest.raises(GenerationError, match="internal error"):
        list(client.text_generation("Say", stream=True))


def test_the_client_chats_without_naming_a_model(edge):
    client = InferenceClient(base_url=edge.url)
    answer = client.chat_completion([{"role": "user", "content": "Hi"}], logprobs=True, top_logprobs=1)
    assert (answer.choices[0].message.content, answer.model) == ("Hello wörld", GENERATOR)
    stream = client.chat_completion([{"role": "user", "content": "Hi"}], stream=True)
    assert "".join(chunk.choices[0].delta.content for chunk in stream) == "Hello wörld"


def test_the_clients_form_of_a_schema_reaches_the_model(edge):
    client = InferenceClient(base_url=edge.url)
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    client.chat_completion([{"role": "user", "content": "Hi"}], response_format=wanted)
    assert json.loads(asked(edge).options.grammar_source) == schema
