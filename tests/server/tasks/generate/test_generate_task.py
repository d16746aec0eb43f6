"""What task `generate` means to the server: limits, costs, parts, memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from panope.worker.v1 import generate_pb2 as messages
from panope_backends.errors import InvalidInputError
from panope_server.config import Generation, Limits, Settings
from panope_server.tasks.generate.task import GenerateTask
from panope_server.tasks.generate.types import (
    Conversation,
    GenerateDelta,
    GenerateInput,
    GenerateOutput,
    GenerateUsage,
    GenerationOptions,
    Sampling,
    ToolCallDelta,
)
from panope_server.tasks.vision.images import Image

TASK = GenerateTask()
SEEN = (
    b'[{"role": "user", "content": [{"type": "image"}]},'
    b' {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}]'
)
CONFIG = {
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_size": 64,
    "max_position_embeddings": 1024,
}


def asked(**options: Any) -> GenerateInput:
    sampling = {name: options.pop(name) for name in list(options) if name in Sampling.__slots__}
    return GenerateInput(prompts=["a"], options=GenerationOptions(sampling=Sampling(**sampling), **options))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("temperature", [-0.1, 100.5, math.nan, math.inf]),
        ("top_k", [-1, 1 << 31]),
        ("top_p", [0.0, 1.01, math.nan]),
        ("min_p", [-0.1, 1.1, math.nan]),
        ("repetition_penalty", [0.0, -1.0, 101.0, math.nan]),
        ("presence_penalty", [-2.1, 2.1, math.nan]),
        ("frequency_penalty", [-2.1, 2.1, math.inf]),
        ("seed", [1 << 63, -(1 << 63) - 1]),
        ("logit_bias", [{-1: 0.0}, dict.fromkeys(range(1025), 1.0)]),
        ("logit_bias[5]", [{5: 101.0}, {5: math.nan}]),
        ("n", [0, 129]),
        ("max_tokens", [-1, 1 << 32]),
        ("min_tokens", [-1]),
        ("logprobs", [-1, 21]),
        ("prompt_logprobs", [21]),
        ("priority", [-101, 101]),
        ("truncate_prompt_tokens", [0]),
        ("lookup_tokens", [17]),
        ("lookup_max_ngram", [0, 9]),
        ("cache_salt", ["x" * 257]),
        ("stop", [["x"] * 17]),
        ("stop[1]", [["x", ""], ["x", "y" * 257]]),
        ("stop_token_ids", [[-1], [1 << 31], [1] * 129]),
        ("grammar", ["unknown"]),
    ],
)
def test_a_value_outside_its_range_is_refused_by_the_field_s_name(field: str, values: list[Any]) -> None:
    name = field.partition("[")[0]
    for value in values:
        task_input = asked(**{"grammar_kind" if name == "grammar" else name: value})
        with pytest.raises(InvalidInputError) as refused:
            TASK.validate(task_input, Limits())
        assert refused.value.field == field


def test_values_at_the_ends_of_their_ranges_are_taken() -> None:
    TASK.validate(
        asked(temperature=0.0, top_p=1.0, min_p=1.0, seed=-(1 << 63), n=128, logprobs=20, max_tokens=0), Limits()
    )
    TASK.validate(asked(temperature=100.0, stop=["x" * 256] * 16, priority=-100, grammar_kind="json_object"), Limits())


@pytest.mark.parametrize(
    ("task_input", "field"),
    [
        (GenerateInput(), "prompts"),
        (GenerateInput(prompts=["a", ""]), "prompts[1]"),
        (GenerateInput(prompts=["a"] * 129), "prompts"),
        (GenerateInput(prompts=["a" * 101]), "prompts[0]"),
        (GenerateInput(prompts=["a"], prompt_token_ids=[[1]]), "prompt_token_ids"),
        (GenerateInput(prompt_token_ids=[[1], []]), "prompt_token_ids[1]"),
        (GenerateInput(prompt_token_ids=[[1 << 31]]), "prompt_token_ids[0]"),
        (GenerateInput(conversation=Conversation(b"")), "messages"),
        (GenerateInput(conversation=Conversation(b"[{}]", images=[Image(b"a")] * 65)), "messages"),
        (GenerateInput(conversation=Conversation(SEEN, images=[Image(b"a"), Image()])), "messages[1].content[1]"),
        (GenerateInput(conversation=Conversation(SEEN, images=[Image(bytes(17 << 20))])), "messages[0].content[0]"),
        (GenerateInput(conversation=Conversation(b"[]", tool_choice="maybe")), "tool_choice"),
        (GenerateInput(conversation=Conversation(b"[]", tool_choice="required")), "tool_choice"),
        (GenerateInput(conversation=Conversation(b"[{}]"), echo=True), "echo"),
        (GenerateInput(prompts=["a"] * 100, options=GenerationOptions(n=6)), "n"),
        (GenerateInput(prompts=["a"] * 33, stream=True), "n"),
        (replace(asked(max_tokens=3), options=GenerationOptions(max_tokens=3, min_tokens=4)), "min_tokens"),
    ],
)
def test_prompts_that_no_model_could_answer_are_refused(task_input: GenerateInput, field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        TASK.validate(task_input, Limits(max_prompt_bytes=100))
    assert refused.value.field == field


def test_an_input_costs_a_slot_for_each_answer_and_goes_prompt_by_prompt_unless_it_is_streamed() -> None:
    task_input = GenerateInput(prompts=["a", "b", "c"], options=GenerationOptions(n=2))
    assert (TASK.cost(task_input, b"1234"), TASK.slots(task_input)) == ((6, 4), 6)
    parts = TASK.split(task_input, 32)
    assert [(part.prompts, part.first_index, TASK.slots(part)) for part in parts] == [
        (["a"], 0, 2),
        (["b"], 1, 2),
        (["c"], 2, 2),
    ]
    assert TASK.split(replace(task_input, stream=True), 32) == [replace(task_input, stream=True)]


def test_parts_join_to_whole_answers() -> None:
    calls = [ToolCallDelta(0, "id", "f", '{"a"'), ToolCallDelta(0, arguments=": 1}"), ToolCallDelta(1, "b", "g", "{}")]
    parts = [
        GenerateOutput([GenerateDelta(1, 0, "x"), GenerateDelta(0, 0, "he", tool_calls=calls[:1], token_ids=[1])]),
        GenerateOutput(
            [GenerateDelta(0, 0, "llo", tool_calls=calls[1:], token_ids=[2], finish_reason="stop", stop="!")]
        ),
        GenerateOutput([GenerateDelta(1, 0, finish_reason="length")], GenerateUsage(3, 4, 1, 0)),
        GenerateOutput([], GenerateUsage(5, 6)),
    ]
    joined = TASK.join(parts)
    first, second = joined.deltas
    assert (first.text, first.token_ids, first.finish_reason, first.stop) == ("hello", [1, 2], "stop", "!")
    assert first.tool_calls == [ToolCallDelta(0, "id", "f", '{"a": 1}'), ToolCallDelta(1, "b", "g", "{}")]
    assert (second.text, second.finish_reason) == ("x", "length")
    assert joined.usage == GenerateUsage(8, 10, 1, 0)


def test_what_is_asked_and_answered_crosses_the_socket_whole() -> None:
    task_input = asked(temperature=0.5, top_k=3, logit_bias={7: -1.0}, seed=-5, max_tokens=0, stop=["x"], logprobs=0)
    message = messages.GenerateInput.FromString(TASK.encode(task_input))
    assert (message.temperature, message.top_k, dict(message.logit_bias), message.seed) == (0.5, 3, {7: -1.0}, -5)
    assert message.HasField("max_tokens")
    assert message.HasField("logprobs")
    assert not message.HasField("top_p")
    delta = messages.GenerateDelta(prompt_index=1, text="t", reasoning="r", token_ids=[1], stop_token_id=9)
    output = TASK.decode(messages.GenerateOutput(deltas=[delta]).SerializeToString())
    assert output == GenerateOutput([GenerateDelta(1, 0, "t", "r", [], [1], stop=9)])


def test_a_cache_takes_what_is_of_use_and_no_more_than_a_quarter_of_what_is_free() -> None:
    settings = Settings(generation=Generation(slots=8))
    useful = 8 * 1024 * (2 * 4 * 2 * 8 * 4)
    assert TASK.extra_bytes(CONFIG, settings, None) == useful
    assert TASK.extra_bytes({"text_config": CONFIG}, settings, useful * 100) == useful
    assert TASK.extra_bytes(CONFIG, settings, useful) == useful // 4
    assert TASK.extra_bytes({}, settings, useful) == 0
    fixed = Settings(generation=Generation(cache_bytes="1MiB"))
    assert TASK.extra_bytes(CONFIG, fixed, 100) == 1 << 20
    assert messages.GenerateSettings.FromString(TASK.settings_of(fixed, 1 << 20)).cache_bytes == 1 << 20
