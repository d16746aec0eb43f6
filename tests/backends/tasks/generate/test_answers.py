"""Whole answers of a model that speaks noise, which grammars make sense of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.errors import InvalidInputError

TEMPLATES = Path(__file__).parent / "chat_templates"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"city": {"enum": ["Rome", "Oslo"]}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("get_weather", "get_time")
]


def conversation(**fields: Any) -> messages.Conversation:
    defaults = {"messages_json": b'[{"role": "user", "content": "Hi"}]', "parallel_tool_calls": False}
    return messages.Conversation(**{**defaults, **fields})


def template(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text()


@pytest.mark.parametrize("name", ["thinking", "headers", "calls"])
@pytest.mark.parametrize("choice", ["required", "name:get_time"])
def test_a_tool_that_must_be_called_is_called_with_arguments_of_its_schema(
    generator: Callable[..., Any], name: str, choice: str
) -> None:
    model = generator(template=template(name))
    talk = conversation(tools_json=json.dumps(TOOLS).encode(), tool_choice=choice)
    kwargs = {"template_kwargs_json": b'{"enable_thinking": false}'} if name == "thinking" else {}
    for field, value in kwargs.items():
        setattr(talk, field, value)
    answer = model.answer(conversation=talk, max_tokens=200)
    (call,) = answer.tool_calls
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    assert call.id
    assert call.name == "get_time" or choice == "required"
    assert json.loads(call.arguments)["city"] in ("Rome", "Oslo")


def test_a_streamed_call_has_its_name_first_and_its_arguments_in_pieces(generator: Callable[..., Any]) -> None:
    model = generator(template=template("headers"))
    talk = conversation(tools_json=json.dumps(TOOLS).encode(), tool_choice="required")
    parts = model.run(conversation=talk, max_tokens=200, stream=True)
    calls = [call for part in parts for delta in part.deltas for call in delta.tool_calls]
    assert calls[0].name
    assert not any(call.name or call.id for call in calls[1:])
    assert len(calls) > 5
    assert json.loads("".join(call.arguments for call in calls))["city"]
    assert [part.HasField("usage") for part in parts] == [False] * (len(parts) - 1) + [True]


@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 8])
def test_the_first_piece_of_a_stream_comes_at_once_and_later_ones_have_as_many_tokens_as_the_setting_says(
    generator: Callable[..., Any], tokens: int
) -> None:
    asked: dict[str, Any] = {"prompts": ["abc"], "max_tokens": tokens, "ignore_eos": True, "stream": True, "n": 2}
    whole, gathered = generator().run(**asked), generator(stream_interval=3).run(**asked)
    for index in range(2):
        (one_by_one, by_three) = (
            [delta for part in parts for delta in part.deltas if delta.index == index] for parts in (whole, gathered)
        )
        assert [len(delta.token_ids) for delta in one_by_one] == [1] * tokens
        rest = [3] * ((tokens - 1) // 3) + [(tokens - 1) % 3]
        assert [len(delta.token_ids) for delta in by_three] == [length for length in (1, *rest) if length]
        assert [list(delta.token_ids) for delta in one_by_one] == [
            [token] for delta in by_three for token in delta.token_ids
        ]
        assert by_three[-1].finish_reason == "length"


def test_echo_puts_the_prompt_before_each_answer_and_no_tokens_are_told_where_none_were_wanted(
    generator: Callable[..., Any],
) -> None:
    model = generator()
    (part,) = model.run(prompts=["one", "two"], n=2, echo=True, max_tokens=0, prompt_logprobs=1)
    assert [(each.prompt_index, each.index, each.text) for each in part.deltas] == [
        (prompt, index, text) for prompt, text in enumerate(("one", "two")) for index in (0, 1)
    ]
    assert [len(each.prompt_logprobs) for each in part.deltas] == [3, 0, 3, 0]
    assert [each.first_prompt_token for each in part.deltas] == [b"<bos>", b"", b"<bos>", b""]
    assert (part.usage.prompt_tokens, part.usage.completion_tokens) == (8, 0)
    assert all(each.finish_reason == "length" and not each.token_ids for each in part.deltas)


def test_echo_gives_of_a_prompt_that_was_cut_what_the_model_has_read(generator: Callable[..., Any]) -> None:
    cut = {"prompts": ["abcdef"], "echo": True, "truncate_prompt_tokens": 2, "max_tokens": 0}
    assert generator().answer(**cut).text == "ef"


def test_echo_gives_a_prompt_that_was_short_enough_as_it_was_written(generator: Callable[..., Any]) -> None:
    short = {"prompts": ["a<bos>b"], "echo": True, "truncate_prompt_tokens": 20, "max_tokens": 0}
    assert generator().answer(**short).text == "a<bos>b"


def test_a_prompt_of_one_token_has_no_probability_but_a_text(generator: Callable[..., Any]) -> None:
    parts = generator().run(prompts=["a"], add_special_tokens=False, max_tokens=2, prompt_logprobs=0, stream=True)
    told = [(delta.first_prompt_token, len(delta.prompt_logprobs)) for part in parts for delta in part.deltas]
    assert told == [(b"a", 0), (b"", 0)]


def test_a_call_that_a_stop_text_cuts_is_not_told_as_one_to_be_run(generator: Callable[..., Any]) -> None:
    talk = conversation(tools_json=json.dumps(TOOLS).encode(), tool_choice="required")
    answer = generator(template=template("headers")).answer(conversation=talk, max_tokens=200, stop=["city"])
    assert [call.arguments for call in answer.tool_calls] == ['{"']
    assert (answer.finish_reason, answer.stop_text) == ("stop", "city")


def test_a_schema_of_a_tool_that_no_grammar_can_have_is_refused_as_the_tools(generator: Callable[..., Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"$ref": "https://a.example/schema.json"}}}
    talk = conversation(tools_json=json.dumps([tool]).encode(), tool_choice="required")
    with pytest.raises(InvalidInputError) as refused:
        generator(template=template("headers")).job(conversation=talk)
    assert refused.value.field == "tools"


def test_log_probabilities_stand_beside_each_token(generator: Callable[..., Any]) -> None:
    answer = generator().answer(prompts=["abc"], max_tokens=5, logprobs=3, ignore_eos=True)
    assert [logprobs.chosen.token_id for logprobs in answer.logprobs] == list(answer.token_ids)
    assert all(len(logprobs.top) == 3 and logprobs.chosen.logprob <= 0 for logprobs in answer.logprobs)


def test_a_prompt_that_is_too_long_is_refused_with_the_numbers_or_cut_where_that_is_asked_for(
    generator: Callable[..., Any],
) -> None:
    model = generator()
    with pytest.raises(InvalidInputError, match=r"has 2,401 tokens; the model.s context is 2,048") as refused:
        model.job(prompts=["a", "b" * 2400])
    assert (refused.value.field, refused.value.reason) == ("prompts[1]", "context_length_exceeded")
    (request,) = model.job(prompts=["b" * 2400], truncate_prompt_tokens=10).requests
    assert len(request.prompt_token_ids) == 10
    with pytest.raises(InvalidInputError) as refused:
        model.job(prompts=["c" * 1_000_000])
    assert refused.value.reason == "context_length_exceeded"


def test_ids_outside_the_vocabulary_are_refused_by_their_place(generator: Callable[..., Any]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        generator().job(prompt_token_ids=[{"ids": [1]}, {"ids": [5, 260]}], first_index=3)
    assert refused.value.field == "prompt_token_ids[4]"


def test_a_grammar_and_tools_that_must_be_called_exclude_each_other(generator: Callable[..., Any]) -> None:
    model = generator(template=template("headers"))
    talk = conversation(tools_json=json.dumps(TOOLS).encode(), tool_choice="required")
    with pytest.raises(InvalidInputError) as refused:
        model.job(conversation=talk, grammar_kind="json_object")
    assert refused.value.field == "grammar"
