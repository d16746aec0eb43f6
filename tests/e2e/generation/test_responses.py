"""OpenAI's newer form of conversations by its own client."""

from __future__ import annotations

import json
from typing import Any, Literal

import openai
import pydantic
import pytest

from seeded_chat import NAME

TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Rome", "Oslo"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


class Weather(pydantic.BaseModel):
    """What is asked for."""

    city: Literal["Rome", "Oslo"]
    sunny: bool


def respond(client: openai.OpenAI, **more: Any) -> Any:
    asked = {"model": NAME, "input": "What is the weather?", "max_output_tokens": 200, "temperature": 0}
    return client.responses.create(**{**asked, **more})


def test_a_stream_tells_its_events_in_order_and_ends_with_the_whole(client: openai.OpenAI) -> None:
    whole = respond(client, instructions="Be brief.", max_output_tokens=12)
    events = list(respond(client, instructions="Be brief.", max_output_tokens=12, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == events[-1].response.output_text
    assert (whole.status, events[-1].type) == ("incomplete", "response.incomplete")
    assert events[-1].response.usage == whole.usage


def test_a_tool_is_called_and_its_result_answered(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}
    (call,) = respond(client, **asked).output
    assert (call.type, call.name) == ("function_call", "get_weather")
    assert json.loads(call.arguments)["city"] in ("Rome", "Oslo")
    streamed = list(respond(client, **asked, stream=True))
    parts = [event.delta for event in streamed if event.type == "response.function_call_arguments.delta"]
    assert "".join(parts) == call.arguments
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    more = respond(client, input=[{"role": "user", "content": "Weather?"}, call, result], max_output_tokens=8)
    assert more.output_text


def test_the_client_parses_what_it_asked_for(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": NAME, "input": "Weather?", "text_format": Weather, "max_output_tokens": 200}
    assert isinstance(client.responses.parse(**asked).output_parsed, Weather)
    with client.responses.stream(**asked) as stream:
        list(stream)
        assert isinstance(stream.get_final_response().output_parsed, Weather)


@pytest.mark.parametrize("more", [{"previous_response_id": "resp_1"}, {"store": True}, {"background": True}])
def test_what_needs_stored_answers_is_refused_by_name(client: openai.OpenAI, more: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        respond(client, **more)
    assert refusal.value.param == next(iter(more))
