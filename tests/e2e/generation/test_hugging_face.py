"""Chats and continued texts by Hugging Face's client."""

from __future__ import annotations

import json
from typing import Any

import openai
from huggingface_hub import AsyncInferenceClient, InferenceClient

from seeded_chat import NAME

PROMPT = "The capital of France is"
TALK = [{"role": "user", "content": "What is the weather?"}]


def test_a_text_is_continued_with_details_as_one_piece_and_as_a_stream(hugging_face: InferenceClient) -> None:
    asked: dict[str, Any] = {"max_new_tokens": 10, "seed": 4, "do_sample": True, "temperature": 0.8}
    whole = hugging_face.text_generation(PROMPT, details=True, decoder_input_details=True, top_n_tokens=2, **asked)
    assert (whole.details.finish_reason, whole.details.generated_tokens) == ("length", 10)
    assert (whole.details.seed, len(whole.details.tokens)) == (4, 10)
    assert whole.details.prefill[0].logprob is None
    assert all(token.logprob < 0 for token in whole.details.prefill[1:])
    events = list(hugging_face.text_generation(PROMPT, details=True, stream=True, **asked))
    assert [event.token.id for event in events] == [token.id for token in whole.details.tokens]
    assert events[-1].generated_text == whole.generated_text
    assert events[-1].details.generated_tokens == 10
    assert "".join(hugging_face.text_generation(PROMPT, stream=True, **asked)) == whole.generated_text


def test_it_says_what_openais_client_is_told(hugging_face: InferenceClient, client: openai.OpenAI) -> None:
    # Plain dictionaries are messages too.
    theirs = client.chat.completions.create(model=NAME, messages=TALK, max_tokens=12, temperature=0)  # type: ignore[arg-type]
    ours = hugging_face.chat_completion(TALK, max_tokens=12, temperature=0)
    assert ours.choices[0].message.content == theirs.choices[0].message.content
    pieces = hugging_face.chat_completion(TALK, max_tokens=12, temperature=0, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == theirs.choices[0].message.content


async def test_the_asynchronous_client_chats(seeded_server: Any, hugging_face: InferenceClient) -> None:
    async with AsyncInferenceClient(base_url=seeded_server.http_url) as made:
        answer = await made.chat_completion(TALK, max_tokens=8, temperature=0)
        stream = await made.text_generation(PROMPT, max_new_tokens=8, stream=True)
        assert "".join([piece async for piece in stream]) == hugging_face.text_generation(PROMPT, max_new_tokens=8)
    expected = hugging_face.chat_completion(TALK, max_tokens=8, temperature=0)
    assert answer.choices[0].message.content == expected.choices[0].message.content


def test_a_schema_and_a_required_tool_are_honoured(hugging_face: InferenceClient) -> None:
    schema = {"type": "object", "properties": {"sunny": {"type": "boolean"}}, "required": ["sunny"]}
    schema["additionalProperties"] = False
    form: Any = {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema}}
    answer = hugging_face.chat_completion(TALK, max_tokens=60, response_format=form)
    assert json.loads(str(answer.choices[0].message.content))["sunny"] in (True, False)
    tool: Any = {"type": "function", "function": {"name": "get", "description": "Gets.", "parameters": schema}}
    called = hugging_face.chat_completion(TALK, max_tokens=100, tools=[tool], tool_choice="required")
    calls = called.choices[0].message.tool_calls
    assert calls
    assert json.loads(str(calls[0].function.arguments))["sunny"] in (True, False)
