"""Tools by OpenAI's client: a model that speaks noise calls them all the same where it must."""

from __future__ import annotations

import json
from typing import Any, Literal

import openai
import pydantic
import pytest

from seeded_chat import NAME

TALK: Any = [{"role": "user", "content": "What is the weather in Rome?"}]


def tool(name: str, **more: Any) -> Any:
    parameters = {
        "type": "object",
        "properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 3}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


TOOLS = [tool("get_weather"), tool("get_time")]


def chat(client: openai.OpenAI, **more: Any) -> Any:
    asked = {"model": NAME, "messages": TALK, "tools": TOOLS, "max_tokens": 300, "seed": 3, "temperature": 1}
    return client.chat.completions.create(**{**asked, **more})


def check(name: str, arguments: str) -> None:
    found = json.loads(arguments)
    assert name in ("get_weather", "get_time")
    assert set(found) == {"city", "days"}
    assert found["city"] in ("Rome", "Oslo")
    assert found["days"] in (1, 2, 3)


@pytest.mark.parametrize("parallel", [False, True])
def test_a_tool_that_is_required_is_called(client: openai.OpenAI, parallel: bool) -> None:
    counts = []
    for seed in range(4):
        answer = chat(client, tool_choice="required", parallel_tool_calls=parallel, seed=seed).choices[0]
        for call in answer.message.tool_calls:
            check(call.function.name, call.function.arguments)
        assert len({call.id for call in answer.message.tool_calls}) == len(answer.message.tool_calls)
        assert (answer.finish_reason, answer.message.content) == ("tool_calls", None)
        counts.append(len(answer.message.tool_calls))
    assert parallel or counts == [1] * 4


def test_the_named_tool_is_called_and_an_unknown_one_refused(client: openai.OpenAI) -> None:
    named = {"type": "function", "function": {"name": "get_time"}}
    answer = chat(client, tool_choice=named).choices[0].message
    assert {call.function.name for call in answer.tool_calls} == {"get_time"}
    with pytest.raises(openai.BadRequestError) as refusal:
        chat(client, tool_choice={"type": "function", "function": {"name": "get_news"}})
    assert refusal.value.param == "tool_choice"


def test_no_tool_is_called_where_none_may_be(client: openai.OpenAI) -> None:
    answer = chat(client, tool_choice="none", max_tokens=20).choices[0]
    assert answer.message.tool_calls is None
    assert answer.message.content


def test_calls_stream_by_their_parts_and_join_to_what_comes_in_one_body(client: openai.OpenAI) -> None:
    whole = chat(client, tool_choice="required").choices[0].message.tool_calls
    calls: dict[int, list[str]] = {}
    reasons = set()
    for piece in chat(client, tool_choice="required", stream=True):
        reasons.add(piece.choices[0].finish_reason)
        for delta in piece.choices[0].delta.tool_calls or []:
            if delta.id:
                assert delta.index not in calls
                calls[delta.index] = [delta.function.name, ""]
            calls[delta.index][1] += delta.function.arguments or ""
    assert [tuple(calls[index]) for index in sorted(calls)] == [
        (call.function.name, call.function.arguments) for call in whole
    ]
    assert reasons == {None, "tool_calls"}


@pytest.mark.parametrize("seed", range(3))
def test_strict_tools_are_called_as_they_are_or_not_at_all(client: openai.OpenAI, seed: int) -> None:
    """Noise rarely calls a tool by itself; it must not write half a call either."""
    tools = [tool("get_weather", strict=True), tool("get_time", strict=True)]
    answer = chat(client, tools=tools, seed=seed, max_tokens=200).choices[0]
    for call in answer.message.tool_calls or []:
        if answer.finish_reason == "tool_calls":
            check(call.function.name, call.function.arguments)
    assert answer.message.tool_calls or answer.message.content
    assert answer.finish_reason == "length" or "<tool_call>" not in (answer.message.content or "")


class GetWeather(pydantic.BaseModel):
    """Tells the weather."""

    city: Literal["Rome", "Oslo"]
    sunny: bool


def test_the_client_parses_the_arguments_of_tools_that_it_made_of_classes(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": NAME, "messages": TALK, "tools": [openai.pydantic_function_tool(GetWeather)],
        "tool_choice": "required", "max_tokens": 200, "parallel_tool_calls": False,
    }  # fmt: skip
    (call,) = client.chat.completions.parse(**asked).choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, GetWeather)
    with client.chat.completions.stream(**asked) as stream:
        kinds = {event.type for event in stream}
        (call,) = stream.get_final_completion().choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, GetWeather)
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds


def test_a_call_and_its_result_are_a_conversation_that_goes_on(client: openai.OpenAI) -> None:
    asked = chat(client, tool_choice="required", parallel_tool_calls=False).choices[0].message
    result = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": '{"degrees": 21}'}
    answer = chat(client, messages=[*TALK, asked, result], tool_choice="none", max_tokens=8)
    assert answer.choices[0].message.content
