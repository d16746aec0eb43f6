"""Chat templates render as transformers renders them, and never take more than they may."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.tasks.generate.chat.chat_template import ChatTemplate, chat_template
from panope_backends.tasks.generate.chat.render import Renderer, RenderRequest, Setup
from panope_backends.tasks.generate.chat.template_facts import template_facts

#: In the forms that models bring them in; written for these tests.
TEMPLATES = {path.stem: path.read_text() for path in sorted((Path(__file__).parent / "chat_templates").glob("*.jinja"))}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'Tells the weather, <b>"now"</b>.',
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "a23456789", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich"}}}
CONVERSATIONS: dict[str, list[dict[str, Any]]] = {
    "one": [{"role": "user", "content": " Hi & <b>bye</b>! 😀 "}],
    "system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "turns": [
        {"role": "user", "content": "a", "name": "ann"},
        {"role": "assistant", "content": "b", "reasoning": "because"},
        {"role": "user", "content": "c"},
    ],
    "tools": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": '{"t": 20}', "tool_call_id": "a23456789"},
    ],
}


def theirs(template: str, conversation: list[dict[str, Any]], tools: list[dict[str, Any]] | None, **kwargs: Any) -> str:
    """What transformers makes of it; the error's name when it makes nothing."""
    from transformers.utils.chat_template_utils import render_jinja_template

    try:
        (text,), _ = render_jinja_template(
            [copy.deepcopy(conversation)],
            tools,
            chat_template=template,
            **{"add_generation_prompt": True, **TOKENS, **kwargs},
        )
    except Exception:  # of Jinja, of many kinds
        return "error"
    return str(text)


def ours(template: str, conversation: list[dict[str, Any]], tools: list[dict[str, Any]] | None, **kwargs: Any) -> str:
    continues = kwargs.pop("continue_final_message", False)
    kwargs.pop("add_generation_prompt", None)
    request = RenderRequest(copy.deepcopy(conversation), tools, kwargs, continues, 1.0, 1 << 20)
    rendered = Renderer(Setup({"default": template}, TOKENS)).render(request)
    return "error" if rendered.fault else rendered.text


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_a_conversation_becomes_what_transformers_makes_of_it(template: str, conversation: str) -> None:
    text, talk = TEMPLATES[template], CONVERSATIONS[conversation]
    for tools in (None, [TOOL]):
        assert ours(text, talk, tools) == theirs(text, talk, tools)


def test_the_templates_take_most_conversations() -> None:
    taken = {
        (template, name)
        for template, text in TEMPLATES.items()
        for name, talk in CONVERSATIONS.items()
        if theirs(text, talk, [TOOL]) != "error"
    }
    refused = {(template, name) for template in TEMPLATES for name in CONVERSATIONS} - taken
    assert refused == {("turns", "system"), ("inst", "tools")}


def test_values_of_the_caller_reach_the_template() -> None:
    talk = CONVERSATIONS["one"]
    for value in (True, False):
        expected = theirs(TEMPLATES["thinking"], talk, None, enable_thinking=value)
        assert ours(TEMPLATES["thinking"], talk, None, enable_thinking=value) == expected


@pytest.mark.parametrize("template", ["chatml", "thinking", "pipes", "turns", "inst"])
def test_the_last_message_is_continued_where_it_ends(template: str) -> None:
    talk = [{"role": "user", "content": "Count"}, {"role": "assistant", "content": "one, two, "}]
    arguments = {"continue_final_message": True, "add_generation_prompt": False}
    expected = theirs(TEMPLATES[template], talk, None, **arguments)
    assert ours(TEMPLATES[template], talk, None, **arguments) == expected
    assert expected.rstrip().endswith("one, two,")


def test_only_values_that_the_template_reads_may_be_set() -> None:
    facts = template_facts({"default": TEMPLATES["headers"]})
    assert facts.kwargs == ("custom_tools", "date_string")
    assert facts.has_tools
    thinking = template_facts({"default": TEMPLATES["thinking"]})
    assert thinking.kwargs == ("enable_thinking",)
    assert chat_template(Setup({"default": "{% if %}"}, TOKENS), {}, seconds=1.0, characters=1000) is None
    assert chat_template(Setup({"default": "{{ 9 ** (9 ** 9) }}"}, TOKENS), {}, seconds=0.2, characters=1000) is None


@pytest.fixture
def template() -> Iterator[Callable[..., ChatTemplate]]:
    """Makes chat templates with a process each."""
    made: list[ChatTemplate] = []

    def make(text: str, seconds: float = 1.0, characters: int = 100_000) -> ChatTemplate:
        found = chat_template(Setup({"default": text}, TOKENS), {}, seconds=seconds, characters=characters)
        assert found is not None
        made.append(found)
        return found

    yield make
    for each in made:
        each.close()


def conversation(*talk: dict[str, Any], **fields: Any) -> messages.Conversation:
    talk = talk or ({"role": "user", "content": "Hi"},)
    return messages.Conversation(messages_json=json.dumps(talk).encode(), parallel_tool_calls=True, **fields)


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% set x = namespace(t='a' * 1000) %}{% for i in range(100000) %}{% set x.t = x.t + x.t[:1000] %}{% endfor %}",
        "{{ 9 ** (messages | length * 9 ** 9) }}",
    ],
)
def test_a_template_that_takes_too_long_is_ended_and_the_next_conversation_is_answered(
    template: Callable[..., ChatTemplate], text: str
) -> None:
    chat = template("{% if messages[0].content == 'slow' %}" + text + "{% endif %}ok", seconds=0.3)
    started = time.monotonic()
    with pytest.raises((PreconditionError, InvalidInputError)) as refused:
        chat.prompt(conversation({"role": "user", "content": "slow"}), None)
    assert refused.value.reason in ("template_too_slow", "template_too_large")
    assert time.monotonic() - started < 20
    assert chat.prompt(conversation(), None).text == "ok"


def test_a_text_that_is_too_long_is_refused_before_tokens_are_made(template: Callable[..., ChatTemplate]) -> None:
    chat = template("{{ 'a' * (messages | length) * 10**7 }}", seconds=5.0)
    with pytest.raises(InvalidInputError) as refused:
        chat.prompt(conversation(), None)
    assert (refused.value.field, refused.value.reason) == ("messages", "context_length_exceeded")


@pytest.mark.parametrize(
    "text",
    [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ raise_exception.__globals__ }}",
        "{% set _ = messages.append(1) %}{{ messages }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ namespace(__class__=1) }}",
    ],
)
def test_a_template_reaches_nothing_of_python(template: Callable[..., ChatTemplate], text: str) -> None:
    with pytest.raises(InvalidInputError, match="does not take"):
        template(text + "{{ 1 / 0 }}").prompt(conversation(), None)
    rendered = Renderer(Setup({"default": text}, {})).render(RenderRequest([{}], None, {}, False, 1.0, 1000))
    assert rendered.fault or "class" not in rendered.text


def test_a_template_s_own_words_are_told(template: Callable[..., ChatTemplate]) -> None:
    chat = template(TEMPLATES["turns"])
    with pytest.raises(InvalidInputError, match="System role not supported"):
        chat.prompt(conversation({"role": "system", "content": "x"}, {"role": "user", "content": "y"}), None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"template_kwargs_json": b'{"tokenize": false}'}, "template_kwargs.tokenize"),
        ({"template_kwargs_json": b'{"chat_template": "x"}'}, "template_kwargs.chat_template"),
        ({"template_kwargs_json": b'{"bos_token": "x"}'}, "template_kwargs.bos_token"),
        ({"template_kwargs_json": b'{"unknown": 1}'}, "template_kwargs.unknown"),
        ({"template_kwargs_json": b"[1]"}, "template_kwargs"),
        ({"tools_json": json.dumps([TOOL]).encode()}, "tools"),
        ({"messages_json": b'[{"content": "x"}]'}, "messages[0].role"),
        (
            {"messages_json": json.dumps([{"role": "assistant", "tool_calls": [CALL]}]).encode()},
            "messages[0].tool_calls",
        ),
        ({"messages_json": b"[]"}, "messages"),
        ({"messages_json": b"[" * 100_000}, "messages"),
        (
            {"messages_json": b'[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]'},
            "messages[0].content[0]",
        ),
    ],
)
def test_what_a_template_does_not_honour_is_refused_by_name(
    template: Callable[..., ChatTemplate], fields: dict[str, bytes], field: str
) -> None:
    chat = template(TEMPLATES["chatml"])
    made = conversation()
    for name, value in fields.items():
        setattr(made, name, value)
    with pytest.raises(InvalidInputError) as refused:
        chat.prompt(made, None)
    assert refused.value.field == field


def test_a_developer_speaks_as_the_system_where_the_template_knows_none(template: Callable[..., ChatTemplate]) -> None:
    talk = conversation(
        {"role": "developer", "content": "D"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    )
    assert template(TEMPLATES["pipes"]).prompt(talk, None).text.startswith("<|system|>\nD")
    assert "<|user|>\na\nb" in template(TEMPLATES["pipes"]).prompt(talk, None).text


def test_reasoning_begins_where_the_prompt_has_opened_it(template: Callable[..., ChatTemplate]) -> None:
    assert template(TEMPLATES["opened"]).prompt(conversation(), None).form.begins_reasoning
    thinking = template(TEMPLATES["thinking"])
    form = thinking.prompt(conversation(), None).form
    assert (form.begins_reasoning, form.reasoning) == (False, ("<think>", "</think>"))
    closed = thinking.prompt(conversation(template_kwargs_json=b'{"enable_thinking": false}'), None).form
    assert closed.reasoning is None
