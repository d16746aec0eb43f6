"""Generation by InferService and POST /v1/infer, where a task's input is a JSON value."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from panope_client import Client, InvalidInputError
from seeded_chat import NAME

PROMPT = "The capital of France is"


def test_a_value_is_answered_as_the_completion_is(seeded_server: Any, client: openai.OpenAI) -> None:
    value = {"prompts": [PROMPT, "Rome"], "max_tokens": 8, "temperature": 0, "ignore_eos": True}
    asked: Any = {"max_tokens": 8, "temperature": 0, "extra_body": {"ignore_eos": True}}
    expected = [
        choice.text for choice in client.completions.create(model=NAME, prompt=[PROMPT, "Rome"], **asked).choices
    ]
    reply = seeded_server.post(f"/v1/infer/{NAME}", {"value": value})
    assert reply.status == 200, reply.body
    assert [answer["text"] for answer in reply.json["value"]["answers"]] == expected
    assert reply.json["value"]["usage"]["completion_tokens"] == 16
    with Client(seeded_server.grpc_address) as native:
        told = native.infer_value(value, NAME)
    assert [answer["text"] for answer in told["answers"]] == expected


def test_a_conversation_that_must_match_a_schema_is_a_value_too(seeded_server: Any) -> None:
    schema = {"type": "object", "properties": {"sunny": {"type": "boolean"}}, "required": ["sunny"]}
    value = {
        "messages": [{"role": "user", "content": "Is it sunny?"}],
        "json_schema": {**schema, "additionalProperties": False},
    }
    reply = seeded_server.post(f"/v1/infer/{NAME}", {"value": value})
    assert json.loads(reply.json["value"]["answers"][0]["text"])["sunny"] in (True, False)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"prompts": ["a"], "n": 10**6}, "value.n"),
        ({"prompts": []}, "value.prompts"),
        ({"prompts": ["a"], "regex": "("}, "value.regex"),
        ({"prompts": ["a"], "best_of": 2}, "value.best_of"),
        ({"messages": [{"role": "user", "content": "a", "images": []}]}, "value.messages[0].images"),
    ],
)
def test_what_is_wrong_with_a_value_is_named_in_it(seeded_server: Any, value: dict[str, Any], field: str) -> None:
    reply = seeded_server.post(f"/v1/infer/{NAME}", {"value": value})
    assert (reply.status, reply.error["param"]) == (400, field)
    with Client(seeded_server.grpc_address) as native, pytest.raises(InvalidInputError) as refusal:
        native.infer_value(value, NAME)
    assert refusal.value.field == field
