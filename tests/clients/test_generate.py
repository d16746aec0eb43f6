"""Generation through either client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from panope.v1 import generate_service_pb2 as pb
from panope_client import InvalidArgumentError, InvalidResponseError, TextToText, UnavailableError

MODEL = "vendor/fake"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "of a city", "parameters": {"type": "object"}},
}


async def test_prompts_are_continued_in_their_order(client: Any) -> None:
    answer = await client.generate(["a", "b"], MODEL)
    assert [(c.prompt_index, c.text) for c in answer.completions] == [(0, "a"), (1, "b")]
    assert answer.usage.prompt_tokens == 1


async def test_one_prompt_needs_no_list_and_token_ids_are_sent_as_ids(client: Any, fake: Any) -> None:
    await client.generate("one text", MODEL)
    await client.generate([[1, 2], [3]], MODEL)
    assert list(fake.requests[0].prompts) == ["one text"]
    assert [list(ids.ids) for ids in fake.requests[1].prompt_token_ids] == [[1, 2], [3]]


async def test_options_reach_their_places_falsy_ones_too(client: Any, fake: Any) -> None:
    await client.generate(
        "a", MODEL, temperature=0.0, seed=0, max_tokens=3, n=2, stop=["x"], logprobs=0, logit_bias={7: -1.0}, top_k=None
    )
    options = fake.requests[0].options
    assert options.sampling.HasField("temperature")
    assert options.sampling.HasField("seed")
    assert not options.sampling.HasField("top_k")
    assert dict(options.sampling.logit_bias) == {7: -1.0}
    assert (options.max_tokens, options.n, list(options.stop), options.HasField("logprobs")) == (3, 2, ["x"], True)


async def test_a_salt_and_prompt_lookup_reach_their_places(client: Any, fake: Any) -> None:
    await client.generate("a", MODEL, cache_salt="tenant 7", prompt_lookup_tokens=4, prompt_lookup_max_ngram=2)
    await client.generate("a", MODEL, prompt_lookup_tokens=0)
    first, second = (request.options for request in fake.requests)
    assert (first.cache_salt, first.prompt_lookup.num_tokens, first.prompt_lookup.max_ngram) == ("tenant 7", 4, 2)
    assert (second.HasField("prompt_lookup"), second.prompt_lookup.num_tokens) == (True, 0)


async def test_what_is_made_of_a_text_reaches_its_place(client: Any, fake: Any) -> None:
    asked = TextToText(task=pb.TEXT_TASK_TRANSLATION, source_language="en", target_language="de", truncate=True)
    await client.generate("a", MODEL, text_to_text=asked)
    async for _ in client.stream_generate("a", MODEL, text_to_text=asked):
        pass
    assert [getattr(request, "request", request).text_to_text for request in fake.requests] == [asked, asked]


async def test_options_that_are_left_out_stay_unset(client: Any, fake: Any) -> None:
    await client.generate("a", MODEL)
    assert not fake.requests[0].HasField("text_to_text")
    assert not fake.requests[0].options.ListFields()
    assert not fake.requests[0].HasField("add_special_tokens")


@pytest.mark.parametrize(
    ("given", "language", "source"),
    [
        ({"json_schema": {"type": "integer"}}, "json_schema", json.dumps({"type": "integer"})),
        ({"json_schema": "{}"}, "json_schema", "{}"),
        ({"json_object": True}, "json_object", True),
        ({"regex": "[ab]"}, "regex", "[ab]"),
        ({"lark": "start: /a/"}, "lark", "start: /a/"),
    ],
)
async def test_a_grammar_is_given_in_one_language(
    client: Any, fake: Any, given: dict[str, Any], language: str, source: object
) -> None:
    await client.generate("a", MODEL, **given)
    grammar = fake.requests[0].options.grammar
    assert grammar.WhichOneof("source") == language
    assert getattr(grammar, language) == source


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"regex": "a", "lark": "b"}, "lark"),
        ({"temprature": 1}, "temprature"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"logit_bias": {"a": 1.0}}, "logit_bias"),
        ({"logit_bias": 3}, "logit_bias"),
        ({"seed": 2**63}, "seed"),
        ({"stop": "a"}, "stop"),
    ],
)
async def test_a_wrong_option_is_refused_by_its_name(client: Any, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        await client.generate("a", MODEL, **options)
    assert refusal.value.field == field


async def test_messages_and_tools_are_as_openai_writes_them(client: Any, fake: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    answer = await client.chat(messages, MODEL, tools=[TOOL], tool_choice="weather", template_kwargs={"a": 1})
    assert answer.answers[0].content == "sunny"
    request = fake.requests[0]
    assert [message.role for message in request.messages] == [1, 2, 3, 4]
    assert request.messages[2].tool_calls[0].name == "weather"
    assert json.loads(request.tools[0].parameters_json) == {"type": "object"}
    assert (request.tool_choice.name, json.loads(request.template_kwargs_json)) == ("weather", {"a": 1})


@pytest.mark.parametrize(("choice", "mode"), [("auto", 1), ("none", 2), ("required", 3)])
async def test_a_tool_choice_may_be_a_rule(client: Any, fake: Any, choice: str, mode: int) -> None:
    await client.chat([{"role": "user", "content": "a"}], MODEL, tools=[TOOL], tool_choice=choice)
    assert fake.requests[0].tool_choice.mode == mode


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "robot", "content": "a"}, "messages[0].role"),
        ({"role": "user", "content": "a", "colour": "red"}, "messages[0].colour"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "messages[0].content[0]"),
        ({"role": "user", "content": [{"type": "image", "image": Path("/none")}]}, "messages[0].content[0].image"),
        ("hello", "messages[0]"),
    ],
)
async def test_a_message_that_is_none_is_refused_by_its_place(client: Any, message: Any, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        await client.chat([message], MODEL)
    assert refusal.value.field == field


async def test_images_of_messages_are_files_paths_and_urls(client: Any, fake: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"by path")
    content = [
        {"type": "image", "image": b"file"},
        {"type": "image", "image": tmp_path / "a.png"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "text", "text": "what?"},
    ]
    await client.chat([{"role": "user", "content": content}], MODEL)
    images = [part.image for part in fake.requests[0].messages[0].content[:3]]
    assert [(image.content, image.uri) for image in images] == [(b"file", ""), (b"by path", ""), (b"", "data:,")]


async def test_pieces_come_as_they_are_made_and_the_last_has_the_usage(client: Any) -> None:
    pieces = [piece async for piece in client.stream_generate("a b c", MODEL)]
    assert ["".join(delta.text for delta in piece.deltas) for piece in pieces] == ["a", "b", "c", ""]
    assert [piece.HasField("usage") for piece in pieces] == [False, False, False, True]
    said = [pb.ChatMessage(role=pb.CHAT_ROLE_USER, content=[pb.ContentPart(text="a b")])]
    answers = [piece async for piece in client.stream_chat(said, MODEL)]
    assert [delta.content for piece in answers for delta in piece.deltas] == ["a", "b"]


async def test_a_stream_that_fails_is_seen_as_failed_after_its_pieces(client: Any) -> None:
    seen = []

    async def read() -> None:
        async for piece in client.stream_generate("a break", MODEL):
            seen.append(piece.deltas[0].text)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(UnavailableError):
        await read()
    assert seen == ["a"]


async def test_a_stream_that_ends_without_its_usage_is_no_answer(client: Any) -> None:
    with pytest.raises(InvalidResponseError):
        _ = [piece async for piece in client.stream_generate("cut", MODEL)]
