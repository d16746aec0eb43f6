"""Conversations by OpenAI's client: what the answer must match, and what its tokens were."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import openai
import pydantic
import pytest

from seeded_chat import NAME

TALK: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the weather?"}]


class Weather(pydantic.BaseModel):
    """What is asked for."""

    city: Literal["Rome", "Oslo"]
    sunny: bool
    kinds: list[Literal["warm", "dry"]] = pydantic.Field(max_length=3)


def chat(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": NAME, "messages": TALK, "max_tokens": 200, "seed": 1, **more})


def said(client: openai.OpenAI, **more: Any) -> str:
    return str(chat(client, **more).choices[0].message.content)


def test_a_chat_streams_what_it_answers(client: openai.OpenAI) -> None:
    whole = chat(client, max_tokens=12)
    *pieces, last = chat(client, max_tokens=12, stream=True, stream_options={"include_usage": True})
    assert pieces[0].choices[0].delta.role == "assistant"
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert text == whole.choices[0].message.content
    assert (last.choices, last.usage) == ([], whole.usage)


def test_each_token_of_an_answer_is_told_with_its_bytes_and_the_likeliest(client: openai.OpenAI) -> None:
    answer = chat(client, max_tokens=12, temperature=0, logprobs=True, top_logprobs=2).choices[0]
    tokens = answer.logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode(errors="replace").startswith(answer.message.content)
    assert all(token.logprob == token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob for token in tokens)


def test_the_client_parses_what_it_asked_for(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model=NAME, messages=TALK, response_format=Weather, max_tokens=200)
    assert isinstance(answer.choices[0].message.parsed, Weather)
    with client.chat.completions.stream(model=NAME, messages=TALK, response_format=Weather, max_tokens=200) as stream:
        kinds = {event.type for event in stream}
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Weather)
    assert {"content.delta", "content.done"} <= kinds


def test_an_answer_that_is_cut_is_no_parsed_one(client: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=NAME, messages=TALK, response_format=Weather, max_tokens=3)


@pytest.mark.parametrize("seed", range(4))
def test_a_strict_schema_is_matched_with_its_keys_in_order(client: openai.OpenAI, seed: int) -> None:
    properties = {"zebra": {"enum": ["a", "b"]}, "apple": {"type": "boolean"}, "mango": {"const": None}}
    schema = {
        "type": "object", "properties": properties, "required": [*properties], "additionalProperties": False
    }  # fmt: skip
    form = {"type": "json_schema", "json_schema": {"name": "fruit", "strict": True, "schema": schema}}
    found = json.loads(said(client, response_format=form, temperature=1.5, seed=seed))
    assert list(found) == ["zebra", "apple", "mango"]
    assert found["zebra"] in ("a", "b")


@pytest.mark.parametrize("more", [{"regex": "(Rome|Oslo): [0-9]{2} degrees"}, {"guided_regex": "[A-F]{4}-[0-9]{2}"}])
def test_a_regular_expression_is_matched(client: openai.OpenAI, more: dict[str, str]) -> None:
    (expression,) = more.values()
    assert re.fullmatch(expression, said(client, extra_body=more, temperature=1))


def test_a_grammar_and_a_choice_are_matched(client: openai.OpenAI) -> None:
    lark = 'start: sum " = " NUMBER\nsum: NUMBER (" + " NUMBER){1,2}\nNUMBER: /[0-9]{1,3}/'
    text = said(client, extra_body={"grammar": lark}, temperature=1)
    assert re.fullmatch(r"\d{1,3}( \+ \d{1,3}){1,2} = \d{1,3}", text)
    assert said(client, extra_body={"guided_choice": ["(yes)", "no?"]}, temperature=1) in ("(yes)", "no?")


def test_any_object_is_one(client: openai.OpenAI) -> None:
    """Noise rarely ends by itself, so what came of the object is completed here."""
    answer = chat(client, response_format={"type": "json_object"}, max_tokens=30, temperature=1).choices[0]
    assert answer.message.content.lstrip().startswith("{")
    if answer.finish_reason == "stop":
        assert isinstance(json.loads(answer.message.content), dict)


def test_the_tokens_of_a_conversation_are_those_that_its_answer_counts(
    seeded_server: Any, client: openai.OpenAI
) -> None:
    told = seeded_server.post("/v1/tokenize", {"model": NAME, "messages": TALK}).json
    assert told["count"] == len(told["tokens"]) == chat(client, max_tokens=1).usage.prompt_tokens
    text = seeded_server.post("/v1/detokenize", {"model": NAME, "tokens": told["tokens"]}).json["prompt"]
    assert text.endswith("What is the weather?<|im_end|>\n<|im_start|>assistant\n")
    refused = seeded_server.post("/v1/tokenize", {"model": NAME, "messages": TALK, "chat_template_kwargs": {"x": 1}})
    assert (refused.status, refused.error["param"]) == (400, "chat_template_kwargs.x")
