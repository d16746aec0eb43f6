"""POST /v1/responses through Envoy, by bytes and by the unmodified client."""

from __future__ import annotations

import json

import openai
import pydantic
import pytest
from openai.types.responses import Response, ResponseStreamEvent, response_create_params
from rest_doubles.models import GENERATOR

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import GenerateDelta, ToolCallDelta
from panope_server.transport.rest.openai.responses.schemas import REFUSALS, ResponseBody

PATH = "/v1/responses"
BODY = {"model": GENERATOR, "input": "Hi"}
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"zone": {"type": "string"}, "at": {"type": "string"}}},
    "strict": True,
}
CALLS = [
    GenerateDelta(reasoning="hm"),
    GenerateDelta(text="Let me"),
    GenerateDelta(text=" see"),
    GenerateDelta(tool_calls=[ToolCallDelta(0, "call_1", "weather", "")]),
    GenerateDelta(tool_calls=[ToolCallDelta(0, arguments='{"zone":')]),
    GenerateDelta(tool_calls=[ToolCallDelta(0, arguments='"x"}'), ToolCallDelta(1, "call_2", "weather", "{}")]),
    GenerateDelta(finish_reason="tool_calls"),
]


@pytest.fixture
def client(edge):
    with openai.OpenAI(base_url=f"{edge.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def asked(edge):
    return edge.instances.calls[-1].input


def events(reply) -> list:
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8", reply.body
    found = []
    for written in reply.body.decode().strip().split("\n\n"):
        kind, data = written.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {found[-1]['type']}"
    assert [each["sequence_number"] for each in found] == list(range(len(found)))
    return found


def test_an_answer_is_as_the_client_knows_it(edge):
    reply = edge.post(PATH, {**BODY, "instructions": "Be brief.", "metadata": {"a": "b"}, "temperature": 0.5})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    answer = Response.model_validate(reply.json, strict=True)
    assert (answer.status, answer.output_text, answer.model) == ("completed", "Hello wörld", GENERATOR)
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (7, 3, 10)
    assert (answer.instructions, answer.metadata, answer.temperature) == ("Be brief.", {"a": "b"}, 0.5)
    assert json.loads(asked(edge).conversation.messages) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_an_answer_that_was_cut_is_incomplete(edge):
    told = edge.post(PATH, {**BODY, "max_output_tokens": 2}).json
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert told["output"][0]["status"] == "incomplete"
    *_, last = events(edge.post(PATH, {**BODY, "max_output_tokens": 2, "stream": True}))
    assert (last["type"], last["response"]["status"]) == ("response.incomplete", "incomplete")


def test_a_call_that_the_model_itself_broke_off_is_incomplete_and_not_to_be_run(edge):
    whole = GenerateDelta(tool_calls=[ToolCallDelta(0, "call_1", "weather", "{}")])
    half = GenerateDelta(tool_calls=[ToolCallDelta(1, "call_2", "weather", '{"zone":')], finish_reason="stop")
    edge.instances.script.deltas = [whole, half]
    told = edge.post(PATH, {**BODY, "tools": [TOOL]}).json
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": None})
    assert [item["status"] for item in told["output"]] == ["completed", "incomplete"]
    Response.model_validate(told, strict=True)
    *_, last = events(edge.post(PATH, {**BODY, "tools": [TOOL], "stream": True}))
    kinds = pydantic.TypeAdapter(ResponseStreamEvent)
    kinds.validate_python(last, strict=True)
    assert (last["type"], last["response"]["incomplete_details"]) == ("response.incomplete", {"reason": None})


def test_what_was_thought_said_and_called_are_items_in_this_order(edge):
    edge.instances.script.deltas = CALLS
    told = edge.post(PATH, {**BODY, "tools": [TOOL]}).json
    assert [item["type"] for item in told["output"]] == ["reasoning", "message", "function_call", "function_call"]
    assert told["output"][0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert told["output"][1]["content"][0]["text"] == "Let me see"
    assert told["output"][2] | {"id": ""} == {
        "id": "",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"zone":"x"}',
    }
    assert told["tools"] == [TOOL]
    Response.model_validate(told, strict=True)


def test_every_event_of_a_stream_is_as_the_client_knows_it(edge):
    edge.instances.script.deltas = CALLS
    told = events(edge.post(PATH, {**BODY, "tools": [TOOL], "stream": True}))
    kinds = pydantic.TypeAdapter(ResponseStreamEvent)
    for each in told:
        kinds.validate_python(each, strict=True)
    assert [each["type"].removeprefix("response.") for each in told] == [
        *("created", "in_progress"),
        *("output_item.added", "content_part.added", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    done = [each["item"] for each in told if each["type"] == "response.output_item.done"]
    assert done == told[-1]["response"]["output"]


def test_the_client_streams_and_joins(edge, client):
    edge.instances.script.deltas = CALLS
    with client.responses.stream(**BODY, tools=[TOOL]) as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        answer = stream.get_final_response()
    assert (texts, answer.output_text) == (["Let me", " see"], "Let me see")
    assert [item.arguments for item in answer.output if item.type == "function_call"] == ['{"zone":"x"}', "{}"]


def test_the_client_parses_what_it_asked_for(edge, client):
    class Answer(pydantic.BaseModel):
        number: int

    edge.instances.script.deltas = [GenerateDelta(text='{"number": 4}', finish_reason="stop")]
    answer = client.responses.parse(**BODY, text_format=Answer)
    assert answer.output_parsed == Answer(number=4)
    assert json.loads(asked(edge).options.grammar_source)["properties"]["number"]["type"] == "integer"


async def test_the_asynchronous_client_answers(edge):
    async with openai.AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="unused") as client:
        answer = await client.responses.create(**BODY)
    assert answer.output_text == "Hello wörld"


def test_a_conversation_of_items_is_one_of_messages(edge):
    given = [
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "well", "annotations": [], "logprobs": []}],
        },
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    ]
    assert edge.post(PATH, {**BODY, "input": given, "tools": [TOOL]}).status == 200
    call = {"id": "c1", "function": {"name": "weather", "arguments": "{}"}, "type": "function"}
    assert json.loads(asked(edge).conversation.messages) == [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "well", "reasoning": "hm", "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
    ]
    tools = asked(edge).conversation.tools
    assert tools.index(b'"zone"') < tools.index(b'"at"')


def test_a_tool_without_parameters_reaches_the_model(edge):
    tool = {"type": "function", "name": "f", "parameters": None, "strict": False}
    assert edge.post(PATH, {**BODY, "tools": [tool]}).status == 200
    assert json.loads(asked(edge).conversation.tools) == [{"type": "function", "function": {"name": "f"}}]


def test_an_answer_can_be_sent_back_as_it_is(edge, client):
    edge.instances.script.deltas = CALLS
    answer = client.responses.create(**BODY, tools=[TOOL])
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}
        for item in answer.output
        if item.type == "function_call"
    ]
    again = [
        {"role": "user", "content": "Hi"},
        *(item.model_dump(exclude_none=True) for item in answer.output),
        *results,
    ]
    client.responses.create(model=GENERATOR, input=again, tools=[TOOL])
    told = json.loads(asked(edge).conversation.messages)
    assert [message["role"] for message in told] == ["user", "assistant", "tool", "tool"]
    assert (told[1]["reasoning"], told[1]["content"], len(told[1]["tool_calls"])) == ("hm", "Let me see", 2)


def test_log_probabilities_are_told_when_included(edge):
    more = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    told = edge.post(PATH, {**BODY, **more}).json
    assert [each["token"] for each in told["output"][0]["content"][0]["logprobs"]] == ["Hel", "lo", " wörld"]
    assert asked(edge).options.logprobs == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "x"}}, "prompt"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"include": ["reasoning.encrypted_content"]}, "include[0]"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "function", "name": "none"}}, "tool_choice"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"verbosity": "high"}}, "text.verbosity"),
        ({"stream_options": {"include_obfuscation": False}}, "stream_options"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]},
            "input[0].content[0].input_file",
        ),
        ({"zzz": 1}, "zzz"),
    ],
)
def test_what_needs_something_stored_or_cannot_be_honoured_is_refused_by_its_place(edge, given, field):
    reply = edge.post(PATH, {**BODY, **given})
    assert (reply.status, reply.error["param"]) == (400, field), reply.body
    assert edge.instances.calls == []


@pytest.mark.parametrize(
    ("inside", "told"),
    [("max_tokens", "max_output_tokens"), ("messages[0].content", "input"), ("grammar", "text.format.schema")],
)
def test_what_the_model_refuses_is_named_as_the_body_has_it(edge, inside, told):
    edge.instances.failure = InvalidInputError.at(inside, "{field} is wrong")
    assert edge.post(PATH, BODY).error["param"] == told


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"role": "user", "content": None}, "content"),
        ({"role": "user", "content": []}, "content"),
        ({"role": "assistant", "content": None}, "content"),
        ({"type": "function_call_output", "call_id": "c1"}, "output"),
        ({"type": "function_call_output", "call_id": "c2", "output": "rain"}, "call_id"),
    ],
)
def test_items_that_say_nothing_and_results_of_no_call_are_refused_by_their_place(edge, item, field):
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
    reply = edge.post(PATH, {**BODY, "input": [call, item]})
    assert (reply.status, reply.error["param"]) == (400, f"input[1].{field}"), reply.body


@pytest.mark.parametrize("given", [{"k" * 65: "v"}, {"k": "v" * 513}, {str(index): "v" for index in range(17)}])
def test_metadata_has_openais_limits(edge, given):
    assert edge.post(PATH, {**BODY, "metadata": {"k" * 64: "v" * 512}}).json["metadata"] == {"k" * 64: "v" * 512}
    reply = edge.post(PATH, {**BODY, "metadata": given})
    assert (reply.status, reply.error["param"].partition(".")[0].partition("[")[0]) == (400, "metadata"), reply.body


def image(url="data:,1", **more):
    return {"type": "input_image", "image_url": url, "detail": "auto", **more}


def test_images_go_apart_from_messages_in_their_order(edge, client):
    text = {"type": "input_text", "text": "What are they?"}
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
    shown = {"type": "function_call_output", "call_id": "c1", "output": [image("data:,3")]}
    said = {"role": "user", "content": [image(), text, image("data:,2")]}
    client.responses.create(model=GENERATOR, input=[said, call, shown], instructions="Be brief.", tools=[TOOL])
    conversation = asked(edge).conversation
    told = json.loads(conversation.messages)
    assert told[1]["content"] == [{"type": "image"}, {"type": "text", "text": "What are they?"}, {"type": "image"}]
    assert told[3] == {"role": "tool", "content": [{"type": "image"}], "tool_call_id": "c1"}
    assert [each.data_url for each in conversation.images] == ["data:,1", "data:,2", "data:,3"]


@pytest.mark.parametrize(
    ("role", "part", "field"),
    [
        ("user", image("https://a.example/b.png"), ""),
        ("user", image(detail="high"), "detail"),
        ("user", {"type": "input_image", "file_id": "file_1"}, "file_id"),
        ("user", {"type": "input_image", "detail": "auto"}, "image_url"),
        ("user", {"type": "input_text", "text": "x", "image_url": "data:,1"}, "image_url"),
        ("assistant", image(), ""),
    ],
)
def test_images_that_cannot_be_read_are_refused_by_their_place(edge, role, part, field):
    given = {"input": [{"role": "user", "content": "Hi"}, {"role": role, "content": [part]}]}
    reply = edge.post(PATH, {**BODY, **given})
    assert (reply.status, reply.error["param"]) == (400, f"input[1].content[0].{field}".rstrip(".")), reply.body


def test_what_a_worker_refuses_of_an_image_is_named_by_its_item(edge):
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": [image()]}
    edge.instances.failure = InvalidInputError.at("messages[3].content[0]", "{field} is broken")
    given = {"instructions": "x", "input": [{"role": "user", "content": "Hi"}, call, result]}
    assert edge.post(PATH, {**BODY, **given}).error["param"] == "input[2].output[0]"


def test_an_error_in_the_middle_of_a_stream_is_seen_as_one(edge, client):
    edge.instances.script.failure = RuntimeError("secret")
    *_, last = events(edge.post(PATH, {**BODY, "stream": True}))
    assert (last["type"], last["code"], last["error"]["code"]) == ("error", "internal_error", "internal_error")
    pydantic.TypeAdapter(ResponseStreamEvent).validate_python(last, strict=True)
    with pytest.raises(openai.APIError, match="internal error"):
        list(client.responses.create(**BODY, stream=True))


def test_every_field_that_the_client_knows_is_known_here():
    known = {*ResponseBody.__struct_fields__, *REFUSALS.names}
    assert set(response_create_params.ResponseCreateParamsBase.__annotations__) - known == set()
    assert not {*ResponseBody.__struct_fields__} & {*REFUSALS.names}
