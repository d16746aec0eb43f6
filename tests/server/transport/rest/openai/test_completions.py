"""POST /v1/completions through Envoy, by bytes and by the unmodified client."""

from __future__ import annotations

import json

import openai
import pytest
from rest_doubles.models import GENERATOR

from panope_backends.errors import Field, InvalidInputError
from panope_server.tasks.generate.types import GenerateDelta, GenerateUsage, Logprob, TokenLogprobs

PATH = "/v1/completions"
BODY = {"model": GENERATOR, "prompt": "Say"}


@pytest.fixture
def client(edge):
    with openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def asked(edge):
    return edge.instances.calls[-1].input


def chunks_of(reply):
    return [json.loads(line[6:]) for line in reply.body.decode().split("\n\n") if line.startswith("data: {")]


def test_a_prompt_is_continued(edge):
    told = edge.post(PATH, BODY).json
    assert (told["object"], told["model"], told["id"][:5]) == ("text_completion", GENERATOR, "cmpl-")
    assert told["choices"] == [{"index": 0, "text": "Hello wörld", "logprobs": None, "finish_reason": "stop"}]
    assert asked(edge).options.max_tokens == 16


@pytest.mark.parametrize(
    ("prompt", "texts", "ids"),
    [
        ("a", ["a"], []),
        (["a", "b"], ["a", "b"], []),
        ([1, 2], [], [[1, 2]]),
        ([[1, 2], [3]], [], [[1, 2], [3]]),
    ],
)
def test_every_form_of_prompt_reaches_the_model(edge, prompt, texts, ids):
    assert edge.post(PATH, {**BODY, "prompt": prompt}).status == 200
    assert (asked(edge).prompts, asked(edge).prompt_token_ids) == (texts, ids)


def test_answers_stand_by_prompt_and_number(edge):
    body = {**BODY, "prompt": ["a", "b"], "n": 2, "echo": True}
    told = edge.post(PATH, body).json["choices"]
    assert [(choice["index"], choice["text"][0]) for choice in told] == [(0, "a"), (1, "a"), (2, "b"), (3, "b")]
    streamed = chunks_of(edge.post(PATH, {**body, "stream": True}))
    assert [chunk["choices"][0]["index"] for chunk in streamed[:4]] == [0, 1, 2, 3]


def test_log_probabilities_stand_in_four_lists_with_the_places_of_tokens(edge):
    told = edge.post(PATH, {**BODY, "logprobs": 1}).json["choices"][0]["logprobs"]
    assert told == {
        "text_offset": [0, 3, 5],
        "tokens": ["Hel", "lo", " wörld"],
        "token_logprobs": [-0.25] * 3,
        "top_logprobs": [{"Hel": -0.25}, {"lo": -0.25}, {" wörld": -0.25}],
    }


def test_an_echo_tells_of_the_prompt_whose_first_token_has_no_probability(edge):
    told = edge.post(PATH, {**BODY, "logprobs": 2, "echo": True, "n": 2}).json["choices"]
    for choice in told:
        assert choice["text"] == "SayHello wörld"
        logprobs = choice["logprobs"]
        assert logprobs["tokens"] == ["S", "ay", "Hel", "lo", " wörld"]
        assert logprobs["text_offset"] == [0, 1, 3, 6, 8]
        assert logprobs["token_logprobs"] == [None, -0.25, -0.25, -0.25, -0.25]
        assert logprobs["top_logprobs"][:2] == [None, {"ay": -0.25, "x": -1.5}]


def test_a_prompt_alone_is_told_of(edge):
    edge.instances.script.usage = GenerateUsage(2, 0)
    told = edge.post(PATH, {**BODY, "max_tokens": 0, "echo": True, "logprobs": 0}).json
    assert edge.instances.calls[-1].input.options.max_tokens == 0
    (choice,) = told["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("Say", "length")
    assert choice["logprobs"]["tokens"] == ["S", "ay"]
    assert told["usage"]["completion_tokens"] == 0
    reply = edge.post(PATH, {**BODY, "max_tokens": 0})
    assert (reply.status, reply.error["param"]) == (400, "max_tokens")


def test_a_special_token_before_the_prompt_takes_no_place_in_the_text(edge):
    logprobs = [TokenLogprobs(Logprob(1, b"ay", -1.0), [])]
    edge.instances.script.deltas = [
        GenerateDelta(text="ay", prompt_logprobs=logprobs, first_prompt_token=b"<s>", finish_reason="length")
    ]
    told = edge.post(PATH, {**BODY, "logprobs": 0, "echo": True, "max_tokens": 0}).json["choices"][0]["logprobs"]
    assert (told["tokens"], told["text_offset"]) == (["<s>", "ay"], [0, 0])


def test_special_tokens_amid_a_prompt_take_no_place_where_its_text_leaves_them_out(edge):
    """As in that of a prompt of ids; in one that was written with them they do."""
    pieces = ["<s>", "ay", "<sep>", "\N{SNOWMAN}", "</s>"]
    data = [part for piece in pieces for part in ([piece.encode()] if piece.isascii() else _bytes_of(piece))]
    logprobs = [TokenLogprobs(Logprob(1, each, -1.0), []) for each in data[1:]]
    answer = [TokenLogprobs(Logprob(1, b"Hi", -1.0), [])]
    for text, places in (
        ("ay\N{SNOWMAN}Hi", [0, 0, 2, 2, 2, 2, 3, 3]),
        ("".join(pieces) + "Hi", [0, 3, 5, 10, 10, 10, 11, 15]),
    ):
        edge.instances.script.deltas = [
            GenerateDelta(
                text=text,
                prompt_logprobs=logprobs,
                first_prompt_token=b"<s>",
                logprobs=answer,
                finish_reason="length",
            )
        ]
        told = edge.post(PATH, {**BODY, "logprobs": 0, "echo": True}).json["choices"][0]
        assert (told["text"], told["logprobs"]["text_offset"]) == (text, places)


def _bytes_of(text):
    return [bytes([each]) for each in text.encode()]


def test_the_places_of_tokens_count_parts_of_characters_as_the_text_shows_them(edge):
    snowman = "\N{SNOWMAN}".encode()
    pieces = [snowman[:2], b"is", snowman[:2], snowman[2:], b"x"]
    logprobs = [TokenLogprobs(Logprob(number, piece, -1.0), []) for number, piece in enumerate(pieces)]
    text = b"".join(pieces).decode(errors="replace")
    edge.instances.script.deltas = [GenerateDelta(text=text, logprobs=logprobs, finish_reason="stop")]
    told = edge.post(PATH, {**BODY, "logprobs": 0}).json["choices"][0]
    places = told["logprobs"]["text_offset"]
    assert (told["text"], places) == ("\N{REPLACEMENT CHARACTER}is\N{SNOWMAN}x", [0, 1, 3, 3, 4])


def test_the_tokens_of_prompts_are_told_as_vllm_does(edge):
    told = edge.post(PATH, {**BODY, "prompt_logprobs": 1}).json["choices"][0]
    assert told["prompt_logprobs"] == [None, {"5": {"logprob": -0.25, "rank": 1, "decoded_token": "ay"}}]
    reply = edge.post(PATH, {**BODY, "prompt_logprobs": 1, "stream": True})
    assert (reply.status, reply.error["param"]) == (400, "prompt_logprobs")


def test_the_client_completes_and_streams(client):
    answer = client.completions.create(**BODY, logprobs=2)
    assert (answer.choices[0].text, answer.choices[0].logprobs.text_offset) == ("Hello wörld", [0, 3, 5])
    stream = client.completions.create(**BODY, stream=True, stream_options={"include_usage": True}, logprobs=0)
    *chunks, last = stream
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Hello wörld"
    assert [chunk.choices[0].logprobs.text_offset for chunk in chunks] == [[0], [3], [5]]
    assert (last.choices, last.usage.total_tokens) == ([], 10)


@pytest.mark.parametrize(
    ("more", "field", "told"),
    [
        ({}, "prompts[0]", "prompt"),
        ({"prompt": ["a", "b"]}, "prompts[1]", "prompt[1]"),
        ({"prompt": [[1], [2]]}, "prompt_token_ids[1]", "prompt[1]"),
        ({}, "options.sampling.temperature", "temperature"),
        ({"include_stop_str_in_output": True}, "include_stop", "include_stop_str_in_output"),
        ({"guided_regex": "a"}, "grammar", "guided_regex"),
        ({"response_format": {"type": "json_object", "value": {}}}, "options.grammar", "response_format.value"),
        ({"num_assistant_tokens": 4}, "lookup_tokens", "num_assistant_tokens"),
        ({"logprobs": 2, "echo": True}, "prompt_logprobs", "logprobs"),
    ],
)
def test_what_the_model_refuses_is_named_as_the_body_has_it(edge, more, field, told):
    edge.instances.failure = InvalidInputError.at(field, "{field} and {n}", n=Field("options.n"))
    reply = edge.post(PATH, {**BODY, **more})
    assert (reply.error["param"], reply.error["message"]) == (told, f"`{told}` and `n`")
