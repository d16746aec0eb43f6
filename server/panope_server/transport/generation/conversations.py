"""Conversations as JSON in OpenAI's form, whoever sent them: what the worker gives to the model's chat template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import Conversation
from panope_server.tasks.vision.images import Image

MAX_MESSAGES = 4096
MAX_TOOLS = 128

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAMED = "name:"

Role = Literal["system", "developer", "user", "assistant", "tool"]


class CalledFunctionJson(Struct):
    """A function that was called, with its arguments as JSON text."""

    name: str
    arguments: str


class CalledToolJson(Struct):
    """A call of a tool in a message of the assistant's."""

    id: str
    function: CalledFunctionJson
    type: Literal["function"] = "function"


class TextPartJson(Struct, tag_field="type", tag="text"):
    """A text."""

    text: str


class ImagePartJson(Struct, tag_field="type", tag="image"):
    """An image, whose bytes go apart."""


class MessageJson(Struct, omit_defaults=True, kw_only=True):
    """One message.

    Attributes:
        content: empty where the assistant said nothing and called tools; parts where one of them is an image.
    """

    role: Role
    content: str | list[TextPartJson | ImagePartJson]
    name: str = ""
    reasoning: str = ""
    tool_calls: list[CalledToolJson] = []
    tool_call_id: str = ""


class FunctionJson(Struct, omit_defaults=True):
    """A function that may be called.

    Attributes:
        parameters: the schema of its arguments, in the caller's own bytes: models read the order of its keys. Unset for
            no arguments: an empty `Raw` would be written as no value at all.
    """

    name: str
    description: str = ""
    parameters: Raw | UnsetType = UNSET
    strict: bool = False


class ToolJson(Struct):
    """A tool that may be called."""

    function: FunctionJson
    type: Literal["function"] = "function"


def content_of(
    parts: Sequence[str | Image], images: list[Image], *, required: str = ""
) -> str | list[TextPartJson | ImagePartJson]:
    """The content of a message.

    Args:
        parts: of it; texts alone are joined by line breaks.
        images: of the conversation; those of the parts are added.
        required: what the caller calls the content, where there must be a part, though it be an empty text; empty for
            messages that may say nothing.

    Raises:
        InvalidInputError: there is none.
    """
    if required and not parts:
        raise InvalidInputError(f"`{required}` is missing: a text, or one part at least", field=required)
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "\n".join(texts)
    images += [part for part in parts if isinstance(part, Image)]
    return [TextPartJson(part) if isinstance(part, str) else ImagePartJson() for part in parts]


def conversation(
    messages: Sequence[MessageJson],
    *,
    tools: Sequence[ToolJson] = (),
    tool_choice: str = "",
    tool_name: str = "",
    parallel_tool_calls: bool = True,
    template_kwargs: bytes = b"",
    continue_final_message: bool = False,
    images: Sequence[Image] = (),
) -> Conversation:
    """A conversation of the messages.

    Args:
        messages: the first of them first.
        tools: that may be called.
        tool_choice: `auto`, `none` or `required`; empty for the default.
        tool_name: the one tool that is called, in place of `tool_choice`.
        parallel_tool_calls: whether several may be called in one answer.
        template_kwargs: a JSON object; empty for none.
        continue_final_message: whether the last message is continued.
        images: of all parts that are images, in their order.

    Raises:
        InvalidInputError: what no model can answer; `messages` or `tools` names it.
    """
    _check_messages(messages, continue_final_message)
    _check_tools(tools)
    if tool_name and tool_name not in {tool.function.name for tool in tools}:
        raise InvalidInputError.at("tool_choice", "{field} names a tool that is not there")
    if tool_choice == "required" and not tools:
        raise InvalidInputError.at("tool_choice", "{field} requires tools, and there are none")
    return Conversation(
        messages=msgspec.json.encode(messages),
        tools=msgspec.json.encode(tools) if tools else b"",
        tool_choice=f"{_NAMED}{tool_name}" if tool_name else tool_choice or "auto",
        parallel_tool_calls=parallel_tool_calls,
        template_kwargs=template_kwargs,
        continue_final_message=continue_final_message,
        images=list(images),
    )


def _check_messages(messages: Sequence[MessageJson], continued: bool) -> None:
    if not messages:
        raise InvalidInputError.at("messages", "{field} is empty; give at least one")
    if len(messages) > MAX_MESSAGES:
        raise InvalidInputError.at(
            "messages", "{field} has {count:,} items; the limit is {limit:,}", count=len(messages), limit=MAX_MESSAGES
        )
    called: set[str] = set()
    for index, message in enumerate(messages):
        called.update(call.id for call in message.tool_calls)
        if message.role == "tool":
            _check_result(message.tool_call_id, f"messages[{index}].tool_call_id", called)
        if message.role != "assistant" and message.tool_calls:
            raise InvalidInputError.at(f"messages[{index}].tool_calls", "{field} goes with the role `assistant` alone")
    if continued and messages[-1].role != "assistant":
        raise InvalidInputError.at(
            "continue_final_message", "{field} needs a last message of the role `assistant`, which is continued"
        )


def _check_result(call_id: str, field: str, called: set[str]) -> None:
    """A result is of a call that was made before it: templates write it behind that, or look for its function."""
    if not call_id:
        raise InvalidInputError.at(field, "{field} is missing: the role is `tool`")
    if call_id not in called:
        raise InvalidInputError.at(field, "{field} is not the id of a call in an earlier message of the assistant's")


def _check_tools(tools: Sequence[ToolJson]) -> None:
    if len(tools) > MAX_TOOLS:
        raise InvalidInputError.at(
            "tools", "{field} has {count:,} items; the limit is {limit:,}", count=len(tools), limit=MAX_TOOLS
        )
    names: set[str] = set()
    for index, tool in enumerate(tools):
        name = tool.function.name
        if not _TOOL_NAME.fullmatch(name):
            raise InvalidInputError.at(
                f"tools[{index}].function.name", "{field} must be 1 to 64 letters, digits, `_` and `-`"
            )
        if name in names:
            raise InvalidInputError.at(f"tools[{index}].function.name", "{field} is the name of another tool too")
        names.add(name)
        parameters = tool.function.parameters
        if parameters is not UNSET and bytes(parameters)[:1] != b"{":
            raise InvalidInputError.at(f"tools[{index}].function.parameters", "{field} must be a JSON object")
