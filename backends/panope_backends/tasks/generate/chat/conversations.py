"""From a conversation in OpenAI's form to what a chat template is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from panope.worker.v1 import generate_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.chat.template_facts import GIVEN, TemplateFacts

_OBJECTS = msgspec.json.Decoder(list[dict[str, Any]])
_OBJECT = msgspec.json.Decoder(dict[str, Any])


#: What is said before tools where the caller says nothing, as the model cards of such templates have it.
_WITH_TOOLS = "You are a helpful assistant with some tools."


def messages_of(
    conversation: wire.Conversation, facts: TemplateFacts, tools: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """The messages for a template.

    Args:
        conversation: of the server's message.
        facts: of the template.
        tools: that are put into the first message where the template reads them there.

    Raises:
        InvalidInputError: naming the message at fault.
    """
    messages: list[dict[str, Any]] = _decoded(_OBJECTS, conversation.messages_json, "messages")
    if not messages:
        raise InvalidInputError.at("messages", "{field} is empty; give at least one")
    for index, message in enumerate(messages):
        if not isinstance(message.get("role"), str):
            raise InvalidInputError.at(f"messages[{index}].role", "{field} is missing")
        if message["role"] == "developer" and not facts.has_developer:
            message["role"] = "system"
        message["content"] = _text_of(message.get("content"), index)
        for place, call in enumerate(message.get("tool_calls") or ()):
            _open_arguments(call, f"messages[{index}].tool_calls[{place}].function.arguments")
    if tools and facts.has_tools_in_message:
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": _WITH_TOOLS})
        messages[0]["tools"] = json.dumps([tool.get("function") for tool in tools], ensure_ascii=False)
    return messages


def tools_of(conversation: wire.Conversation) -> list[dict[str, Any]] | None:
    """The tools for a template; None for none, also where none may be called."""
    if not conversation.tools_json or conversation.tool_choice == "none":
        return None
    tools: list[dict[str, Any]] = _decoded(_OBJECTS, conversation.tools_json, "tools")
    return tools or None


def kwargs_of(conversation: wire.Conversation, facts: TemplateFacts) -> dict[str, Any]:
    """The caller's values for a template.

    Raises:
        InvalidInputError: one that the template does not read.
    """
    if not conversation.template_kwargs_json:
        return {}
    kwargs: dict[str, Any] = _decoded(_OBJECT, conversation.template_kwargs_json, "template_kwargs")
    for name in kwargs:
        if name in GIVEN or name not in facts.kwargs:
            known = ", ".join(facts.kwargs) or "no values"
            raise InvalidInputError.at(
                f"template_kwargs.{name[:64]}",
                "{field} is not read by the model's chat template; it reads {known}",
                known=known,
            )
    return kwargs


def _text_of(content: object, index: int) -> str:
    """Content that is text, whole or in parts; parts stand on lines of their own."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts: list[str] = []
    for place, part in enumerate(content if isinstance(content, list) else [content]):
        if not (isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)):
            raise InvalidInputError.at(
                f"messages[{index}].content[{place}]", "{field} is not text, and this model takes text alone"
            )
        parts.append(part["text"])
    return "\n".join(parts)


def _open_arguments(call: object, path: str) -> None:
    """Templates write arguments themselves, so they are given as objects."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise InvalidInputError.at(path.removesuffix(".arguments"), "{field} is missing")
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            function["arguments"] = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            raise InvalidInputError.at(path, "{field} is not JSON") from None


def _decoded(decoder: Any, data: bytes, field: str) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidInputError.at(field, "{field} is not of the form that it has") from None
