"""POST /v1/chat/completions through Envoy, by bytes and by the unmodified client."""

from __future__ import annotations

import json

import openai
import pytest
from rest_doubles.models import GENERATOR

from panope_backends.errors import InvalidInputError, OverloadedError
from panope_server.tasks.generate.types import GenerateDelta, ToolCallDelta

PATH = "/v1/chat/completions"
BODY = {"model": GENERATOR, "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}, "at": {"type": "string"}}},
    },
}


def events(reply) -> list:
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8", reply.body
    lines = reply.body.decode().split("\n\n")
    assert lines.pop() == ""
    data = [line.removeprefix("data: ") for line in lines if not line.startswith(":")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


@pytest.fixture
def client(edge):
    with openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def asked(edge):
    """What the model was asked last."""
    return edge.instances.calls[-1].input


def test_a_chat_is_answered_in_one_body(edge):
    reply = edge.post(PATH, BODY)
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    told = reply.json
    assert told.pop("id").startswith("chatcmpl-")
    assert isinstance(told.pop("created"), int)
    assert told == {
        "object": "chat.completion",
        "model": GENERATOR,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello wörld", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 3,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_a_stream_begins_with_the_role_and_ends_with_the_reason_and_done(edge):
    *chunks, done = events(edge.post(PATH, {**BODY, "stream": True}))
    assert done == "[DONE]"
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "Hel"},
        {"content": "lo"},
        {"content": " wörld"},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "stop"]
    assert all("usage" not in chunk for chunk in chunks)


def test_a_stream_tells_its_usage_when_asked_to(edge):
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, last, done = events(edge.post(PATH, body))
    assert [chunk["usage"] for chunk in chunks] == [None] * 3
    assert (last["choices"], last["usage"]["total_tokens"], done) == ([], 10, "[DONE]")


def test_each_of_several_answers_has_its_number(edge):
    told = edge.post(PATH, {**BODY, "n": 3}).json
    assert [choice["index"] for choice in told["choices"]] == [0, 1, 2]
    *chunks, _ = events(edge.post(PATH, {**BODY, "n": 2, "stream": True}))
    assert [chunk["choices"][0]["index"] for chunk in chunks] == [0, 1] * 3
    assert [chunk["choices"][0]["delta"].get("role") for chunk in chunks] == ["assistant"] * 2 + [None] * 4


def test_a_conversation_reaches_the_model_in_openais_form_and_the_callers_order(edge):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "hm",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
    ]
    body = {**BODY, "messages": messages, "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}
    assert edge.post(PATH, body).status == 200
    given = asked(edge).conversation
    assert json.loads(given.messages) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a\nb", "name": "ann"},
        {
            "role": "assistant",
            "content": "",
            "reasoning": "hm",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
    ]
    assert json.loads(given.tools) == [TOOL]
    assert given.tools.index(b'"zone"') < given.tools.index(b'"at"')
    assert (given.tool_choice, given.parallel_tool_calls) == ("required", False)


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": None}, "content"),
        ({"role": "system"}, "content"),
        ({"role": "user", "content": []}, "content"),
        ({"role": "assistant", "content": None}, "content"),
        ({"role": "assistant", "content": None, "tool_calls": []}, "content"),
        ({"role": "tool", "content": None, "tool_call_id": "c1"}, "content"),
        ({"role": "tool", "content": "rain", "tool_call_id": "c2"}, "tool_call_id"),
        ({"role": "tool", "content": "rain"}, "tool_call_id"),
    ],
)
def test_messages_that_say_nothing_and_results_of_no_call_are_refused_by_their_place(edge, message, field):
    called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    reply = edge.post(PATH, {**BODY, "messages": [*BODY["messages"], called, message]})
    assert (reply.status, reply.error["param"]) == (400, f"messages[2].{field}"), reply.body


def test_a_result_before_its_call_is_refused(edge):
    result = {"role": "tool", "content": "", "tool_call_id": "c1"}
    reply = edge.post(PATH, {**BODY, "messages": [result, {"role": "assistant", "tool_calls": [CALL]}]})
    assert (reply.status, reply.error["param"]) == (400, "messages[0].tool_call_id")


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": ""},
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "content": None, "reasoning": "hm"},
        {"role": "tool", "content": "", "tool_call_id": "c1"},
    ],
)
def test_an_empty_text_is_a_content_and_who_refused_or_thought_needs_none(edge, message):
    called = {"role": "assistant", "tool_calls": [CALL]}
    assert edge.post(PATH, {**BODY, "messages": [called, message]}).status == 200


@pytest.mark.parametrize("given", [{}, {"parameters": None}])
def test_a_tool_without_parameters_reaches_the_model(edge, given):
    assert edge.post(PATH, {**BODY, "tools": [{"type": "function", "function": {"name": "f", **given}}]}).status == 200
    assert json.loads(asked(edge).conversation.tools) == [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("choice", "given"),
    [(None, "auto"), ("none", "none"), ({"type": "function", "function": {"name": "weather"}}, "name:weather")],
)
def test_a_choice_of_tools_reaches_the_model(edge, choice, given):
    assert edge.post(PATH, {**BODY, "tools": [TOOL], "tool_choice": choice}).status == 200
    assert asked(edge).conversation.tool_choice == given


def called(*pieces: ToolCallDelta) -> list[GenerateDelta]:
    deltas = [GenerateDelta(tool_calls=[piece]) for piece in pieces]
    deltas[-1].finish_reason = "tool_calls"
    return deltas


CALLS = (
    ToolCallDelta(0, "call_1", "weather", ""),
    ToolCallDelta(0, arguments='{"zone":'),
    ToolCallDelta(0, arguments='"x"}'),
    ToolCallDelta(1, "call_2", "weather", "{}"),
)


def test_the_client_is_told_what_tools_are_called(edge, client):
    edge.instances.script.deltas = called(*CALLS)
    answer = client.chat.completions.create(**BODY, tools=[TOOL]).choices[0]
    assert (answer.finish_reason, answer.message.content) == ("tool_calls", None)
    told = [(call.id, call.function.name, call.function.arguments) for call in answer.message.tool_calls]
    assert told == [("call_1", "weather", '{"zone":"x"}'), ("call_2", "weather", "{}")]


def test_the_client_is_told_in_a_stream_what_tools_are_called(edge, client):
    edge.instances.script.deltas = called(*CALLS)
    with client.chat.completions.stream(**BODY, tools=[TOOL]) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    told = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls]
    assert told == [("call_1", "weather", '{"zone":"x"}'), ("call_2", "weather", "{}")]


def test_reasoning_stands_apart_from_what_is_said(edge):
    edge.instances.script.deltas = [GenerateDelta(reasoning="hm"), GenerateDelta(text="yes", finish_reason="stop")]
    message = edge.post(PATH, BODY).json["choices"][0]["message"]
    assert (message["content"], message["reasoning"], message["reasoning_content"]) == ("yes", "hm", "hm")
    first, second, _ = events(edge.post(PATH, {**BODY, "stream": True}))
    assert first["choices"][0]["delta"]["reasoning_content"] == "hm"
    assert second["choices"][0]["delta"] == {"content": "yes"}


def test_log_probabilities_are_told_with_bytes(edge):
    told = edge.post(PATH, {**BODY, "logprobs": True, "top_logprobs": 2}).json["choices"][0]["logprobs"]
    assert told["content"][0] == {
        "token": "Hel",
        "logprob": -0.25,
        "bytes": [72, 101, 108],
        "top_logprobs": [
            {"token": "Hel", "logprob": -0.25, "bytes": [72, 101, 108]},
            {"token": "x", "logprob": -1.5, "bytes": [120]},
        ],
    }
    first, *_ = events(edge.post(PATH, {**BODY, "logprobs": True, "stream": True}))
    assert first["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


@pytest.mark.parametrize("model", [None, "dummy", "tgi"])
def test_the_default_model_answers_those_who_name_none(edge, model):
    reply = edge.post(PATH, {**BODY, "model": model})
    assert (reply.status, reply.json["model"]) == (200, GENERATOR)


def test_the_longer_path_is_the_same(edge):
    assert edge.post("/v1/llm/chat/completions", BODY).json["object"] == "chat.completion"


def test_the_client_chats(client):
    answer = client.chat.completions.create(**BODY)
    assert (answer.choices[0].message.content, answer.usage.total_tokens) == ("Hello wörld", 10)


async def test_the_asynchronous_client_streams(edge):
    async with openai.AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="unused") as client:
        stream = await client.chat.completions.create(**BODY, stream=True)
        texts = [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(texts) == "Hello wörld"


def test_an_error_before_the_first_piece_has_a_status(edge, client):
    edge.instances.failure = OverloadedError("the queue is full", retry_after_seconds=0.5)
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(**BODY, stream=True)
    assert raised.value.response.headers["retry-after-ms"] == "500"


def test_an_error_in_the_middle_of_a_stream_is_seen_as_one(edge, client):
    edge.instances.script.failure = InvalidInputError.at(
        "max_tokens", "{field} is too much", reason="context_length_exceeded"
    )
    chunk, error = events(edge.post(PATH, {**BODY, "stream": True, "max_completion_tokens": 9}))
    assert chunk["choices"][0]["delta"]["content"] == "Hel"
    assert error == {
        "error": {
            "message": "`max_completion_tokens` is too much",
            "type": "invalid_request_error",
            "param": "max_completion_tokens",
            "code": "context_length_exceeded",
        }
    }
    with pytest.raises(openai.APIError, match="is too much"):
        list(client.chat.completions.create(**BODY, stream=True))


def test_the_text_of_a_defect_reaches_nobody(edge):
    edge.instances.script.failure = RuntimeError("secret /etc/passwd")
    _, error = events(edge.post(PATH, {**BODY, "stream": True}))
    assert error["error"]["code"] == "internal_error"
    assert "secret" not in str(error)


def said(*parts):
    return {**BODY, "messages": [{"role": "user", "content": list(parts)}]}


def image_url(url, **more):
    return {"type": "image_url", "image_url": {"url": url, **more}}


TEXT = {"type": "text", "text": "a"}


def test_images_go_apart_from_messages_in_their_order(edge):
    reply = edge.post(
        PATH, said(image_url("data:,1", detail="auto"), TEXT, {"type": "image_url", "image_url": "data:,2"})
    )
    assert reply.status == 200, reply.body
    conversation = edge.instances.calls[0].input.conversation
    assert json.loads(conversation.messages)[0]["content"] == [{"type": "image"}, TEXT, {"type": "image"}]
    assert [image.data_url for image in conversation.images] == ["data:,1", "data:,2"]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (image_url("https://a.example/b.png"), ""),
        (image_url("file:///etc/passwd"), "image_url.url"),
        (image_url("data:,x", detail="high"), "image_url.detail"),
        ({"type": "image_url", "image_url": "http://a.example"}, ""),
    ],
)
def test_images_elsewhere_and_other_details_are_refused_by_their_place(edge, part, field):
    reply = edge.post(PATH, said(TEXT, part))
    assert (reply.status, reply.error["param"]) == (400, f"messages[0].content[1].{field}".rstrip("."))
    assert edge.instances.calls == []


@pytest.mark.parametrize("kind", ["input_audio", "video_url", "file"])
def test_what_no_model_here_reads_is_refused_by_its_place(edge, kind):
    content = [{"type": "text", "text": "a"}, {"type": kind, kind: {"url": "data:,"}}]
    reply = edge.post(PATH, {**BODY, "messages": [{"role": "user", "content": content}]})
    assert (reply.status, reply.error["param"]) == (400, f"messages[0].content[1].{kind}")
    assert edge.instances.calls == []
