"""Task `generate` as JSON values."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.json_form import GenerateJsonForm
from panope_server.tasks.generate.types import (
    GenerateDelta,
    GenerateInput,
    GenerateOutput,
    GenerateUsage,
    ToolCallDelta,
)

FORM = GenerateJsonForm()
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "z": 1, "a": 2}}}


def read(value: Any) -> GenerateInput:
    return FORM.input_of(msgspec.convert(value, FORM.schema))


@pytest.mark.parametrize("value", ["hello", ["hello"], {"prompts": ["hello"]}])
def test_prompts_are_taken_in_three_forms(value: object) -> None:
    assert read(value) == GenerateInput(prompts=["hello"])


def test_options_mean_what_they_mean_elsewhere() -> None:
    found = read({"prompts": ["a"], "max_tokens": 3, "n": 2, "temperature": 0, "seed": 7, "stop": ["."]}).options
    assert (found.max_tokens, found.n, found.stop) == (3, 2, ["."])
    assert (found.sampling.temperature, found.sampling.seed, found.sampling.top_p) == (0, 7, None)


def test_a_conversation_keeps_its_order_and_names_its_tool() -> None:
    given = read({"messages": [{"role": "user", "content": "1 + 1?"}], "tools": [TOOL], "tool_choice": "add"})
    assert given.conversation is not None
    assert json.loads(given.conversation.messages) == [{"role": "user", "content": "1 + 1?"}]
    assert json.loads(given.conversation.tools) == [TOOL]
    assert b'{"type":"object","z":1,"a":2}' in given.conversation.tools
    assert given.conversation.tool_choice == "name:add"


@pytest.mark.parametrize(
    ("value", "kind", "source"),
    [
        ({"json_schema": {"type": "object"}}, "json_schema", '{"type":"object"}'),
        ({"json_object": True}, "json_object", ""),
        ({"regex": "a+"}, "regex", "a+"),
        ({"lark": "start: A"}, "lark", "start: A"),
        ({"json_object": False}, None, ""),
    ],
)
def test_each_kind_of_grammar_is_taken(value: dict[str, Any], kind: str | None, source: str) -> None:
    found = read({"prompts": ["a"], **value}).options
    assert (found.grammar_kind, found.grammar_source) == (kind, source)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"prompts": ["a"], "regex": "a", "lark": "b"}, "value.lark"),
        ({"prompts": ["a"], "tools": [TOOL]}, "value.messages"),
    ],
)
def test_what_excludes_each_other_is_refused_by_its_name(value: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read(value)
    assert refusal.value.field == field


def test_answers_are_objects_with_what_they_have() -> None:
    called = GenerateDelta(finish_reason="tool_calls", tool_calls=[ToolCallDelta(0, "call_1", "add", "{}")])
    output = GenerateOutput([GenerateDelta(text="Hi", finish_reason="stop"), called], GenerateUsage(3, 2))
    assert FORM.value_of(output) == {
        "answers": [
            {"text": "Hi", "finish_reason": "stop"},
            {
                "text": "",
                "finish_reason": "tool_calls",
                "tool_calls": [{"id": "call_1", "name": "add", "arguments": "{}"}],
            },
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }


def test_errors_name_fields_as_the_value_has_them() -> None:
    assert FORM.fields_of("hello")["prompts"] == "value"
    assert FORM.fields_of({"regex": "("})["grammar"] == "value.regex"
    assert FORM.fields_of({"prompts": []})["max_tokens"] == "value.max_tokens"
