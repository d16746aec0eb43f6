"""Task `generate` as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import (
    Conversation,
    GenerateDelta,
    GenerateInput,
    GenerateOutput,
    GenerationOptions,
    GrammarKind,
    Sampling,
)
from panope_server.tasks.task import JsonForm

_Count = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]
#: Numbers of google.protobuf.Value are doubles.
_Seed = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]

_GRAMMARS: tuple[GrammarKind, ...] = ("json_object", "json_schema", "regex", "lark")


class CalledFunctionValue(Struct, forbid_unknown_fields=True):
    """A function that was called.

    Attributes:
        name: Of the function.
        arguments: As JSON text.
    """

    name: str
    arguments: str = "{}"


class ToolCallValue(Struct, forbid_unknown_fields=True):
    """A call of a tool in a message of the assistant's.

    Attributes:
        id: By which its result is told.
        function: That was called.
        type: Only `function`.
    """

    id: str
    function: CalledFunctionValue
    type: Literal["function"] = "function"


class MessageValue(Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One message, as OpenAI writes it.

    Attributes:
        role: Who speaks.
        content: What is said.
        name: Who of several with the same role.
        reasoning: What the assistant thought before.
        tool_calls: What the assistant called.
        tool_call_id: The call whose result this is.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str
    name: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallValue] = []
    tool_call_id: str = ""


class FunctionValue(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """A function that may be called.

    Attributes:
        name: Letters, digits, `_` and `-`.
        description: What it does, for the model.
        parameters: The JSON Schema of its arguments.
        strict: Whether calls always match the schema.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool = False


class ToolValue(Struct, forbid_unknown_fields=True):
    """A tool that may be called, as OpenAI writes it.

    Attributes:
        function: That it is.
        type: Only `function`.
    """

    function: FunctionValue
    type: Literal["function"] = "function"


class GenerateValue(Struct, forbid_unknown_fields=True, kw_only=True):
    """The value of task `generate` with options; they mean what they mean in GenerateRequest and ChatRequest.

    Attributes:
        prompts: To continue; excludes `messages`.
        messages: To answer.
        tools: That the model may call.
        tool_choice: `auto`, `none`, `required`, or the name of a tool.
        template_kwargs: Values for the model's chat template.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_k: Only the likeliest so many; 0 for all.
        top_p: Only the likeliest tokens that together have this probability.
        min_p: Only tokens with this part of the likeliest's probability.
        repetition_penalty: Divides positive logits, and multiplies negative ones, of tokens that were there before.
        presence_penalty: Taken off the logits of tokens that the answer has.
        frequency_penalty: Taken off once for each time that the answer has the token.
        seed: Draws the same tokens each time.
        json_schema: That the answer matches; at most one of it and the next three.
        json_object: Whether the answer is any JSON object.
        regex: What the whole answer matches.
        lark: The grammar that the answer matches.
    """

    prompts: list[str] | None = None
    messages: list[MessageValue] | None = None
    tools: list[ToolValue] = []
    tool_choice: str = "auto"
    template_kwargs: dict[str, Any] = {}
    max_tokens: _Count | None = None
    n: _Count = 1
    temperature: float | None = None
    top_k: _Count | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: _Seed | None = None
    stop: list[str] = []
    ignore_eos: bool = False
    json_schema: dict[str, Any] | None = None
    json_object: bool = False
    regex: str | None = None
    lark: str | None = None


GenerateJson = str | list[str] | GenerateValue
"""A prompt, a list of prompts, or an object with `prompts` or `messages` and options."""


class GenerateJsonForm(JsonForm[GenerateInput, GenerateOutput]):
    """Prompts or a conversation to an object with `answers` and `usage`."""

    schema: ClassVar[Any] = GenerateJson

    def input_of(self, value: GenerateJson) -> GenerateInput:
        """The input; of what the object has besides a conversation, its limits are checked as everywhere."""
        if isinstance(value, str):
            return GenerateInput(prompts=[value])
        if isinstance(value, list):
            return GenerateInput(prompts=value)
        conversation = None if value.messages is None else _conversation(value, value.messages)
        if conversation is None and (value.tools or value.template_kwargs):
            raise InvalidInputError(
                "`value.tools` and `value.template_kwargs` go with `messages`", field="value.messages"
            )
        return GenerateInput(prompts=value.prompts or [], conversation=conversation, options=_options(value))

    def value_of(self, output: GenerateOutput) -> dict[str, Any]:
        """The answers at `prompt × n + number`, and what they took."""
        usage = output.usage
        told = {} if usage is None else {name: getattr(usage, name) for name in ("prompt_tokens", "completion_tokens")}
        return {"answers": [_answer(delta) for delta in output.deltas], "usage": told}

    def fields_of(self, value: object) -> Mapping[str, str]:
        """Prompts by themselves are the value."""
        if not isinstance(value, dict):
            return {"prompts": "value"}
        names = {field.name: f"value.{field.name}" for field in msgspec.structs.fields(GenerateValue)}
        given = next((kind for kind in _GRAMMARS if value.get(kind)), "json_schema")
        return names | dict.fromkeys(("grammar", "grammar_kind", "grammar_source"), f"value.{given}")


def _conversation(value: GenerateValue, messages: list[MessageValue]) -> Conversation:
    names = {tool.function.name for tool in value.tools}
    choice = f"name:{value.tool_choice}" if value.tool_choice in names else value.tool_choice
    return Conversation(
        messages=msgspec.json.encode(messages),
        tools=msgspec.json.encode(value.tools) if value.tools else b"",
        tool_choice=choice,
        template_kwargs=msgspec.json.encode(value.template_kwargs) if value.template_kwargs else b"",
    )


def _options(value: GenerateValue) -> GenerationOptions:
    kind, source = _grammar(value)
    return GenerationOptions(
        sampling=Sampling(
            temperature=value.temperature,
            top_k=value.top_k,
            top_p=value.top_p,
            min_p=value.min_p,
            repetition_penalty=value.repetition_penalty,
            presence_penalty=value.presence_penalty,
            frequency_penalty=value.frequency_penalty,
            seed=value.seed,
        ),
        max_tokens=value.max_tokens,
        n=value.n,
        stop=value.stop,
        ignore_eos=value.ignore_eos,
        grammar_kind=kind,
        grammar_source=source,
    )


def _grammar(value: GenerateValue) -> tuple[GrammarKind | None, str]:
    given = [kind for kind in _GRAMMARS if getattr(value, kind)]
    if len(given) > 1:
        name = f"value.{given[1]}"
        raise InvalidInputError(f"`{name}` and `value.{given[0]}` exclude each other", field=name)
    if not given:
        return None, ""
    source = getattr(value, given[0])
    if isinstance(source, bool):
        return given[0], ""
    return given[0], source if isinstance(source, str) else msgspec.json.encode(source).decode()


def _answer(delta: GenerateDelta) -> dict[str, Any]:
    """One answer; what it has none of is left out."""
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in delta.tool_calls]
    more: dict[str, Any] = {"reasoning": delta.reasoning} if delta.reasoning else {}
    return {
        "text": delta.text,
        "finish_reason": delta.finish_reason,
        **more,
        **({"tool_calls": calls} if calls else {}),
    }
