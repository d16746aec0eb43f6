"""Every way in which models write tool calls: told by the template, read in pieces, and held to by grammars."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.answer_text import TextPiece
from panope_backends.tasks.generate.chat.chat_text import ChatFormat, ChatText
from panope_backends.tasks.generate.chat.tools import formats
from panope_backends.tasks.generate.chat.tools.formats import ToolFormat, tool_format

#: Enough of a template of each format to tell it by, as the templates of its models have it.
TEMPLATES = {
    "hermes": '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
    "mistral": "[TOOL_CALLS] [{{ call }}]",
    "mistral-named": "[TOOL_CALLS]{{ name }}[ARGS]{{ arguments }}",
    "qwen-coder": "<tool_call>\n<function=example>\n<parameter=one>\nvalue\n</parameter>\n</function>\n</tool_call>",
    "glm": "<tool_call>{function-name}\n<arg_key>{k}</arg_key>\n<arg_value>{v}</arg_value>\n</tool_call>",
    "deepseek": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>x\n```json\n",
    "deepseek-bare": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>x<｜tool▁sep｜>",
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>",
    "lfm": "List of tools: <|tool_list_start|> <|tool_call_start|>",
    "olmo": "<functions></functions> Write calls within <function_calls></function_calls>",
    "granite": "respond only with <|tool_call|> followed by a JSON list of tools used",
    "phi": "<|tool|>{{ tools }}<|/tool|>",
    "python": "[func_name1(params_name1=params_value1, params_name2=params_value2...), func_name2(params)]",
    "llama": 'Respond in the format {"name": function name, "parameters": dictionary} Environment: ipython',
    "json": "{{ tools }}",
}
FORMATS = {name: tool_format(template) for name, template in TEMPLATES.items()}

CITY = {"type": "string"}
DAYS = {"type": "integer"}
PARAMETERS: dict[str, dict[str, Any]] = {
    "get_weather": {"type": "object", "properties": {"city": CITY, "days": DAYS, "where": {"type": "object"}}},
    "add": {
        "type": "object",
        "properties": {"a": {"type": "array"}, "text": {"$ref": "#/$defs/t"}},
        "$defs": {"t": CITY},
    },
}
ROME: dict[str, Any] = {"city": 'R"o\\m\ne 東 <b>', "days": 2, "where": {"lat": [1.5, None, True], "x": "a, (b]"}}

#: What models of each format write for two calls.
WRITTEN = {
    "hermes": '<tool_call>\n{"name": "get_weather", "arguments": %s}\n</tool_call>\n<tool_call>\n{"name": "add", '
    '"arguments": {}}\n</tool_call>',
    "mistral": '[TOOL_CALLS] [{"name": "get_weather", "arguments": %s, "id": "abc"}, {"name": "add", "arguments": {}}]',
    "mistral-named": "[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]%s[TOOL_CALLS]add[ARGS]{}",
    "deepseek": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n%s\n```"
    "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{}\n```<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>",
    "deepseek-bare": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>%s<｜tool▁call▁end｜>"
    "<｜tool▁call▁begin｜>add<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>%s"
    "<|tool_call_end|><|tool_call_begin|>functions.add:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
    "<|tool_calls_section_end|>",
    "granite": '<|tool_call|>[{"name": "get_weather", "arguments": %s}, {"name": "add", "arguments": {}}]',
    "phi": '<|tool_call|>[{"name": "get_weather", "arguments": %s}, {"name": "add", "arguments": {}}]<|/tool_call|>',
    "llama": '{"name": "get_weather", "parameters": %s}; {"name": "add", "parameters": {}}',
    "json": '{"name": "get_weather", "arguments": %s}\n{"name": "add", "arguments": {}}',
}
TAGGED = {
    "qwen-coder": "<tool_call>\n<function=get_weather>\n<parameter=city>\n%s\n</parameter>\n<parameter=days>\n2\n"
    "</parameter>\n<parameter=where>\n%s\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=add>\n"
    "</function>\n</tool_call>",
    "glm": "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>%s</arg_value>\n<arg_key>days</arg_key>\n"
    "<arg_value>2</arg_value>\n<arg_key>where</arg_key>\n<arg_value>%s</arg_value>\n</tool_call>\n<tool_call>add\n"
    "</tool_call>",
}
PYTHON = {
    "python": "[get_weather(city=%s, days=2, where=%s), add()]",
    "lfm": "<|tool_call_start|>[get_weather(city=%s, days=2, where=%s), add()]<|tool_call_end|>",
    "olmo": "<function_calls>\nget_weather(city=%s, days=2, where=%s)\nadd()\n</function_calls>",
}


def written(name: str, arguments: dict[str, Any]) -> str:
    if name in WRITTEN:
        return WRITTEN[name] % json.dumps(arguments, ensure_ascii=False)
    if name in TAGGED:
        return TAGGED[name] % (arguments["city"], json.dumps(arguments["where"]))
    return PYTHON[name] % (repr(arguments["city"]), repr(arguments["where"]))


def parted(form: ToolFormat, pieces: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """Content, and the calls with their arguments."""
    text = ChatText(ChatFormat(form, frozenset(PARAMETERS), parameters=PARAMETERS))
    told: list[TextPiece] = []
    for piece in pieces:
        told += text.push(piece)
    told += text.finish()
    calls: dict[int, list[str]] = {}
    for call in (call for piece in told for call in piece.calls):
        if call.name:
            assert call.id
            calls[call.index] = [call.name, ""]
        calls[call.index][1] += call.arguments
    return "".join(piece.content for piece in told), [(name, arguments) for name, arguments in calls.values()]


def cut(text: str, data: st.DataObject) -> list[str]:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_told_by_its_template(name: str) -> None:
    assert FORMATS[name].name == name
    known = {value.name for value in vars(formats).values() if isinstance(value, ToolFormat)}
    assert known == set(FORMATS) == {*WRITTEN, *TAGGED, *PYTHON}


#: Where no mark stands before calls, only an answer that begins as a call is one.
BEGINNINGS = [
    (name, before) for name, form in FORMATS.items() for before in ("", "Let me look.\n") if form.begin or not before
]


@pytest.mark.parametrize(("name", "before"), BEGINNINGS)
def test_two_calls_are_read_in_one_piece_and_in_single_characters(name: str, before: str) -> None:
    form = FORMATS[name]
    text = before + written(name, ROME)
    content, calls = parted(form, [text])
    assert content == before
    assert [(called, json.loads(arguments)) for called, arguments in calls] == [("get_weather", ROME), ("add", {})]
    assert parted(form, list(text)) == (content, calls)


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | _TEXTS, lambda inner: st.lists(inner, max_size=3))


@given(st.sampled_from(sorted(FORMATS)), _TEXTS, st.dictionaries(_TEXTS, _VALUES, max_size=3), st.data())
def test_any_arguments_are_read_back_however_the_text_is_cut(
    name: str, city: str, where: dict[str, Any], data: st.DataObject
) -> None:
    arguments = {"city": city, "days": 2, "where": where}
    text = written(name, arguments)
    content, calls = parted(FORMATS[name], cut(text, data))
    assert (content.strip(), [(called, json.loads(told)) for called, told in calls]) == (
        "",
        [("get_weather", arguments), ("add", {})],
    )


def marks(form: ToolFormat) -> list[str]:
    return [part for part in form.text.split("\n") if part]


@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_noise_of_a_formats_own_marks_is_parted_the_same_however_it_is_cut(name: str, data: st.DataObject) -> None:
    form = FORMATS[name]
    pieces = [
        *marks(form),
        "get_weather",
        "add",
        "nobody",
        "(",
        ")",
        "=",
        "{",
        "}",
        '"',
        "[",
        "]",
        ", ",
        "\n",
        " ",
        "a",
        ":",
    ]
    pieces += ['{"name": "add"', '"arguments": {"a": [1]}', "<parameter=a>", "</parameter>", ">", "`"]
    text = "".join(data.draw(st.lists(st.sampled_from(pieces), max_size=14)))
    whole = parted(form, [text])
    assert parted(form, list(text)) == whole
    assert parted(form, cut(text, data)) == whole


@given(st.sampled_from(sorted(FORMATS)), st.text(alphabet='{}[]()",:=\\ \nabn<>/_tol|', max_size=60))
def test_a_text_without_calls_is_all_content(name: str, text: str) -> None:
    content, calls = parted(FORMATS[name], list(text))
    if not calls:
        assert content.split() == text.split()


def template_of(name: str) -> str:
    said = TEMPLATES[name].replace("{{", "{ {").replace("{%", "{ %")
    return (
        "{% if tools %}<|im_start|>" + said + "{{ tools }}<|im_end|>{% endif %}"
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def tool(name: str, **more: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "city": {"enum": ["Rome", "Oslo"]},
            "note": {"type": "string", "maxLength": 3},
            "days": {"$ref": "#/$defs/days"},
            "sure": {"type": "boolean"},
        },
        "required": ["city", "days"],
        "additionalProperties": False,
        "$defs": {"days": {"type": "integer", "minimum": 1, "maximum": 3}},
    }
    return {"type": "function", "function": {"name": name, "parameters": {**schema, **more}, "strict": True}}


def conversation(tools: list[dict[str, Any]], choice: str, *, parallel: bool = False) -> messages.Conversation:
    return messages.Conversation(
        messages_json=b'[{"role": "user", "content": "Hi"}]',
        tools_json=json.dumps(tools).encode(),
        tool_choice=choice,
        parallel_tool_calls=parallel,
    )


def check(arguments: str) -> None:
    found = json.loads(arguments)
    assert set(found) - {"note", "sure"} == {"city", "days"}
    assert found["city"] in ("Rome", "Oslo")
    assert found["days"] in (1, 2, 3)
    assert len(found.get("note", "")) <= 3
    assert found.get("sure", True) in (True, False)


@pytest.mark.parametrize("name", FORMATS)
def test_a_tool_that_must_be_called_is_called_in_the_formats_own_words(
    generator: Callable[..., Any], name: str
) -> None:
    model = generator(template=template_of(name))
    for choice, seed in (("required", 1), ("required", 2), ("name:get_time", 3)):
        talk = conversation([tool("get_weather"), tool("get_time")], choice)
        answer = model.answer(conversation=talk, max_tokens=600, temperature=1.0, seed=seed)
        (call,) = answer.tool_calls
        assert (answer.text, answer.finish_reason) == ("", "tool_calls")
        assert call.name == "get_time" or choice == "required"
        check(call.arguments)


@pytest.mark.parametrize("name", FORMATS)
def test_strict_tools_that_may_be_called_are_called_as_they_are(generator: Callable[..., Any], name: str) -> None:
    """The first byte is made likely with which a call begins; what follows is up to the grammar."""
    form = FORMATS[name]
    model = generator(template=template_of(name))
    talk = conversation([tool("get_weather")], "auto", parallel=True)
    first = (form.begin or form.bare).encode()[0]
    bias = {model.job(prompts=[chr(first)], add_special_tokens=False).requests[0].prompt_token_ids[0]: 5.0}
    for seed in range(3):
        answer = model.answer(
            conversation=talk, max_tokens=500, temperature=1.0, seed=seed, logit_bias=bias if first < 128 else {}
        )
        for call in answer.tool_calls[:-1] if answer.finish_reason == "length" else answer.tool_calls:
            assert call.name == "get_weather"
            check(call.arguments)


def test_a_template_that_reads_tools_from_the_first_message_gets_them_there(generator: Callable[..., Any]) -> None:
    template = (
        "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
        "{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}"
        "<|tool|>{{ message['tools'] }}<|/tool|>{% endif %}<|end|>{% endfor %}"
    )
    model = generator(template=template)
    given = conversation([tool("get_weather")], "required")
    prompt = model.job(conversation=given).requests[0].prompt_token_ids
    assert prompt[:10] == model.job(prompts=["<|system|>"], add_special_tokens=False).requests[0].prompt_token_ids
    (call,) = model.answer(conversation=given, max_tokens=600, temperature=1.0, seed=1).tool_calls
    check(call.arguments)


@pytest.mark.parametrize(
    ("name", "more", "keyword"),
    [
        ("qwen-coder", {"properties": {"city": {"type": "string", "pattern": "^R"}}}, "pattern"),
        ("glm", {"oneOf": [{}]}, "oneOf"),
        ("python", {"patternProperties": {}}, "patternProperties"),
        ("python", {"properties": {"first-name": {}}, "required": ["first-name"]}, "first-name"),
    ],
)
def test_a_strict_tool_that_a_format_cannot_be_held_to_is_refused_with_the_keyword(
    generator: Callable[..., Any], name: str, more: dict[str, Any], keyword: str
) -> None:
    model = generator(template=template_of(name))
    with pytest.raises(InvalidInputError, match=keyword) as refusal:
        model.job(conversation=conversation([tool("get_weather", **more)], "auto"))
    assert refusal.value.field == "tools"
