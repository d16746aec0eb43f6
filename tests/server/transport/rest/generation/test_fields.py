"""Each field that a client may write is honoured or refused by its name."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params
from rest_doubles.models import GENERATOR

from panope_server.tasks.generate.types import GenerationOptions, Sampling
from panope_server.transport.rest.generation.refused import REFUSED
from panope_server.transport.rest.openai.chat.schemas import REFUSALS as CHAT_REFUSALS
from panope_server.transport.rest.openai.chat.schemas import ChatBody
from panope_server.transport.rest.openai.completions.schemas import REFUSALS as COMPLETION_REFUSALS
from panope_server.transport.rest.openai.completions.schemas import CompletionBody

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": GENERATOR, "messages": [{"role": "user", "content": "Hi"}]},
    COMPLETIONS: {"model": GENERATOR, "prompt": "Hi", "max_tokens": 5},
}
SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}}
SCHEMA_TEXT = '{"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}}'


def options_of(edge, path: str, more: dict[str, Any]) -> GenerationOptions:
    """What the model was asked for."""
    reply = edge.post(path, {**BODIES[path], **more})
    assert reply.status == 200, reply.body
    options: GenerationOptions = edge.instances.calls[-1].input.options
    return options


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"min_tokens": 2}, {"min_tokens": 2}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"stop": ["A", "B"]}, {"stop": ["A", "B"]}),
        ({"stop_token_ids": [1, 2]}, {"stop_token_ids": [1, 2]}),
        ({"include_stop_str_in_output": True}, {"include_stop": True}),
        ({"ignore_eos": True}, {"ignore_eos": True}),
        ({"skip_special_tokens": False}, {"skip_special_tokens": False}),
        ({"truncate_prompt_tokens": 7}, {"truncate_prompt_tokens": 7}),
        ({"priority": -5}, {"priority": 5}),
        ({"num_assistant_tokens": 4, "max_ngram_size": 2}, {"lookup_tokens": 4, "lookup_max_ngram": 2}),
        ({"num_assistant_tokens": 0}, {"lookup_tokens": 0}),
        ({"cache_salt": "tenant 7"}, {"cache_salt": "tenant 7"}),
        ({"n": 2}, {"n": 2}),
        ({"regex": "a+"}, {"grammar_kind": "regex", "grammar_source": "a+"}),
        ({"grammar": 'start: "a"'}, {"grammar_kind": "lark", "grammar_source": 'start: "a"'}),
        ({"guided_grammar": 'start: "a"'}, {"grammar_kind": "lark", "grammar_source": 'start: "a"'}),
        ({"guided_choice": ["a.b", "c"]}, {"grammar_kind": "regex", "grammar_source": r"(a\.b)|(c)"}),
        ({"structured_outputs": {"regex": "a"}}, {"grammar_kind": "regex", "grammar_source": "a"}),
        ({"structured_outputs": {"json_object": True}}, {"grammar_kind": "json_object"}),
        ({"response_format": {"type": "text"}}, {"grammar_kind": None}),
        ({"response_format": {"type": "json_object"}}, {"grammar_kind": "json_object"}),
        ({"response_format": {"type": "regex", "value": "a"}}, {"grammar_kind": "regex", "grammar_source": "a"}),
    ],
)
def test_a_field_means_what_it_means_elsewhere(edge, path, given, expected):
    options = options_of(edge, path, given)
    assert {name: getattr(options, name) for name in expected} == expected


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "given",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}},
        {"response_format": {"type": "json_object", "value": SCHEMA}},
        {"response_format": {"type": "json", "value": SCHEMA}},
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"guided_json": SCHEMA},
        {"guided_json": SCHEMA_TEXT},
        {"structured_outputs": {"json": SCHEMA}},
    ],
)
def test_a_schema_is_taken_in_every_spelling_with_its_keys_in_order(edge, path, given):
    options = options_of(edge, path, given)
    assert (options.grammar_kind, options.grammar_source) == ("json_schema", SCHEMA_TEXT)


@pytest.mark.parametrize("path", BODIES)
def test_what_is_drawn_is_as_the_body_says_and_the_models_own_where_it_is_silent(edge, path):
    assert options_of(edge, path, {}).sampling == Sampling()
    given = {
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 3,
        "min_p": 0.1,
        "repetition_penalty": 1.5,
        "presence_penalty": -1,
        "frequency_penalty": 2,
        "logit_bias": {"5": -100, "7": 1.5},
        "seed": -(1 << 63),
    }
    expected = Sampling(**{**given, "logit_bias": {5: -100, 7: 1.5}})
    assert options_of(edge, path, given).sampling == expected
    assert options_of(edge, path, {"top_k": -1}).sampling.top_k == 0


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"n": 129}, "n"),
        ({"n": 0}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"logit_bias": {"x": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"seed": 1 << 63}, "seed"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, "stream_options.continuous_usage_stats"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"spaces_between_special_tokens": False}, "spaces_between_special_tokens"),
        ({"max_ngram_size": 2}, "max_ngram_size"),
        ({"guided_json": SCHEMA, "guided_regex": "a"}, "guided_regex"),
        ({"guided_json": "no"}, "guided_json"),
        ({"guided_json": [1]}, "guided_json"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "regex"}}, "response_format.value"),
        ({"response_format": {"type": "text", "value": {}}}, "response_format.value"),
        ({"response_format": {"type": "json_object", "value": SCHEMA, "schema": SCHEMA}}, "response_format.schema"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"zzz": 1}, "zzz"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_place(edge, path, given, field):
    reply = edge.post(path, {**BODIES[path], **given})
    assert (reply.status, reply.error["param"].partition("[")[0]) == (400, field), reply.body
    assert edge.instances.calls == []


REFUSED_ANYWHERE = {
    "best_of": 2,
    "use_beam_search": True,
    "metadata": {"a": "b"},
    "bad_words": ["x"],
    "logits_processors": ["x"],
    "prompt_cache_retention": "24h",
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("name", REFUSED)
def test_a_field_that_no_model_honours_is_refused_with_a_reason(edge, path, name):
    reply = edge.post(path, {**BODIES[path], name: REFUSED_ANYWHERE.get(name, "x")})
    assert (reply.status, reply.error["param"], reply.error["code"]) == (400, name, "unsupported_field")


@pytest.mark.parametrize("path", BODIES)
def test_a_field_that_asks_for_nothing_is_taken(edge, path):
    nothing = dict.fromkeys([*REFUSED, "guided_json", "response_format", "stop", "user", "seed"])
    assert edge.post(path, {**BODIES[path], **nothing}).status == 200
    assert edge.post(path, {**BODIES[path], "best_of": 1, "use_beam_search": False, "bad_words": []}).status == 200


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"prediction": {"content": "x"}}, "prediction"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"chat_template": "{{ x }}"}, "chat_template"),
        ({"echo": True}, "echo"),
        ({"store": True}, "store"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"verbosity": "low"}, "verbosity"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"add_generation_prompt": False}, "add_generation_prompt"),
        ({"continue_final_message": True}, "continue_final_message"),
        ({"add_special_tokens": True}, "add_special_tokens"),
        ({"chat_template_kwargs": [1]}, "chat_template_kwargs"),
        ({"reasoning_effort": "low", "chat_template_kwargs": {"reasoning_effort": "high"}}, "reasoning_effort"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a"}}] * 2}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a", "parameters": 5}}]}, "tools"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "zzz": 1}]}, "messages"),
    ],
)
def test_a_chat_that_cannot_be_honoured_is_refused_by_its_place(edge, given, field):
    reply = edge.post(CHAT, {**BODIES[CHAT], **given})
    assert (reply.status, reply.error["param"].partition("[")[0]) == (400, field), reply.body
    assert edge.instances.calls == []


def test_values_for_the_template_reach_the_model(edge):
    given = {"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "low"}
    assert edge.post(CHAT, {**BODIES[CHAT], **given}).status == 200
    told = edge.instances.calls[-1].input.conversation.template_kwargs
    assert told == b'{"enable_thinking":false,"reasoning_effort":"low"}'


def test_an_answer_is_continued(edge):
    messages = [*BODIES[CHAT]["messages"], {"role": "assistant", "content": "Well"}]
    more = {"messages": messages, "continue_final_message": True, "add_generation_prompt": False}
    assert edge.post(CHAT, {**BODIES[CHAT], **more}).status == 200
    assert edge.instances.calls[-1].input.conversation.continue_final_message


@pytest.mark.parametrize(("suffix", "told"), [("end", "end"), ("", ""), (None, "")])
def test_what_comes_behind_an_answer_reaches_the_model(edge, suffix, told):
    assert edge.post(COMPLETIONS, {**BODIES[COMPLETIONS], "suffix": suffix}).status == 200
    assert edge.instances.calls[-1].input.suffix == told


def test_nothing_comes_behind_the_answer_to_token_ids(edge):
    reply = edge.post(COMPLETIONS, {**BODIES[COMPLETIONS], "prompt": [1, 2], "suffix": "end"})
    assert (reply.status, reply.error["param"]) == (400, "suffix")


@pytest.mark.parametrize("field", ["user", "safety_identifier"])
def test_whom_the_caller_asks_for_is_in_the_log(edge, field):
    edge.post(CHAT, {**BODIES[CHAT], field: "u-1"})
    assert edge.instances.log_words[-1]["end_user"] == "u-1"


@pytest.mark.parametrize(
    ("schema", "refusals", "params"),
    [
        (ChatBody, CHAT_REFUSALS, chat_create_params.CompletionCreateParamsBase),
        (CompletionBody, COMPLETION_REFUSALS, completion_create_params.CompletionCreateParamsBase),
    ],
)
def test_every_field_that_the_client_knows_is_known_here(schema, refusals, params):
    known = {*schema.__struct_fields__, *refusals.names}
    assert set(params.__annotations__) - known == set()


def test_no_field_is_honoured_and_refused():
    assert not {*ChatBody.__struct_fields__} & {*CHAT_REFUSALS.names}
    assert not {*CompletionBody.__struct_fields__} & {*COMPLETION_REFUSALS.names}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"messages": [{"role": "user", "content": "a", "role": "system"}]}', "messages[0].role"),
        (
            b'{"messages": [{"role": "user"}], "tools": [{"function": {"name": "f", "name": "g"}}]}',
            "tools[0].function.name",
        ),
    ],
)
def test_a_field_that_is_given_twice_is_refused_by_its_place(edge, body, field):
    reply = edge.post(CHAT, body)
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "duplicate_field", field), reply.body


def test_a_schema_that_is_nested_too_deeply_is_refused(edge):
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    reply = edge.post(CHAT, b'{"messages": [{"role": "user", "content": "a"}], "guided_json": ' + deep + b"}")
    assert (reply.status, reply.error["code"]) == (400, "invalid_json")


RESPONSES = "/v1/responses"
_LONG = b"1" * 5_000
"""A whole number of more digits than Python makes a number of."""


@pytest.mark.parametrize("value", [b"1e400", b"[1e400]", _LONG, b'{"a": ' + _LONG + b', "a": 1}'])
@pytest.mark.parametrize(
    ("path", "field"), [(CHAT, "functions"), (CHAT, "best_of"), (COMPLETIONS, "best_of"), (RESPONSES, "conversation")]
)
def test_a_refused_field_is_refused_by_its_name_whatever_numbers_it_has(edge, path, field, value):
    begin = {CHAT: b'"messages": [{"role": "user", "content": "a"}]', COMPLETIONS: b'"prompt": "a"'}
    body = b'{%s, "%s": %s}' % (begin.get(path, b'"input": "a"'), field.encode(), value)
    reply = edge.post(path, body)
    assert (reply.status, reply.error["param"]) == (400, field), reply.body


@pytest.mark.parametrize("value", [b'"\xff"', b'["\xff"]', b'{"\xff": 1}', b'{"a": "\xff"}'])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, b'"messages": [{"role": "user", "content": "a"}], "functions": %s'),
        (CHAT, b'"messages": [{"role": "user", "content": "a"}], "guided_json": %s'),
        (CHAT, b'"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": %s'),
        (
            CHAT,
            b'"messages": [{"role": "user", "content": "a"}], "tools": [{"function": {"name": "f", "parameters": %s}}]',
        ),
        (RESPONSES, b'"input": "a", "tools": [{"type": "function", "name": "f", "parameters": %s}]'),
        ("/generate", b'"inputs": "a", "parameters": {"grammar": {"type": "json", "value": %s}}'),
        ("/generate", b'"inputs": "a", "parameters": %s'),
    ],
)
def test_a_body_that_is_not_utf8_is_refused_wherever_it_is_not(edge, path, body, value):
    reply = edge.post(path, b"{%s}" % (body % value))
    assert (reply.status, b"the body is not UTF-8" in reply.body) == (422 if path == "/generate" else 400, True)


@pytest.mark.parametrize("path", ["/", f"/models/{GENERATOR}"])
def test_parameters_that_are_not_utf8_are_refused_where_the_body_tells_the_task(edge, path):
    reply = edge.post(path, b'{"inputs": "a", "parameters": {"\xff": 1}}')
    assert (reply.status, b"the body is not UTF-8" in reply.body) == (422, True)


def test_a_whole_number_of_thousands_of_digits_in_a_schema_is_no_error_of_the_servers(edge):
    schema = b'{"type": "integer", "enum": [' + _LONG + b', "title"], "title": 1}'
    body = b'{"messages": [{"role": "user", "content": "a"}], "guided_json": %s}' % schema
    assert edge.post(CHAT, body).status in {200, 400}


@pytest.mark.parametrize("stream", [b"false", b"true"])
@pytest.mark.parametrize("number", [b"1e400", b"18446744073709551616", _LONG])
def test_numbers_of_schemas_are_told_as_they_were_written(edge, number, stream):
    tool = b'{"type": "function", "name": "f", "strict": false, "parameters": {"a":\n%s}}' % number
    reply = edge.post(RESPONSES, b'{"input": "a", "stream": %s, "tools": [%s]}' % (stream, tool))
    assert (reply.status, b'"parameters":{"a":%s}' % number in reply.body) == (200, True), reply.body
