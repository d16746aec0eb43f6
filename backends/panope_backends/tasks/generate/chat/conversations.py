"""From a conversation in OpenAI's form to what a chat template is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from panope.worker.v1 import generate_pb2 as wire
from panope_backends.errors import InvalidInputError
from panope_backends.tasks.generate.chat.template_facts import GIVEN, TemplateFacts

_OBJECTS = msgspec.json.Decoder(list[dict[str, Any]])
_OBJECT = msgspec.json.Decoder(dict[str, Any])


#: What is said before tools where the caller says nothing, as the model cards of such templates have it.
_WITH_TOOLS = "You are a helpful assistant with some tools."


@dataclass(frozen=True)
class Seen:
    """How a model sees images.

    Attributes:
        placeholder: the text that stands for one in its prompts; empty where it sees none.
        refusal: why it sees none.
    """

    placeholder: str = ""
    refusal: str = "this model takes text alone"


def messages_of(
    conversation: wire.Conversation,
    facts: TemplateFacts,
    tools: list[dict[str, Any]] | None = None,
    seen: Seen = Seen(),
) -> list[dict[str, Any]]:
    """The messages for a template.

    Args:
        conversation: of the server's message.
        facts: of the template.
        tools: that are put into the first message where the template reads them there.
        seen: how the model sees images. Of one that does, contents are lists of parts, as its templates read them.

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
        if seen.placeholder:
            _require_no_placeholder(message, f"messages[{index}]", seen.placeholder)
        message["content"] = _content_of(message.get("content"), f"messages[{index}]", seen)
        if message.get("tool_calls") and not facts.has_tool_calls:
            raise InvalidInputError.at(
                f"messages[{index}].tool_calls", "{field} are not known to the model's chat template"
            )
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


def image_paths(conversation: wire.Conversation) -> list[str]:
    """Where the images of a conversation are, in their order."""
    messages: list[dict[str, Any]] = _decoded(_OBJECTS, conversation.messages_json, "messages")
    return [
        f"messages[{index}].content[{place}]"
        for index, message in enumerate(messages)
        for place, part in enumerate(message["content"] if isinstance(message.get("content"), list) else ())
        if _is_image(part)
    ]


def plain_texts(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same messages, with contents without images as texts: some templates read those of some roles so alone."""
    return [
        message
        if any(_is_image(part) for part in message["content"])
        else {**message, "content": "\n".join(part["text"] for part in message["content"])}
        for message in messages
    ]


def _content_of(content: object, path: str, seen: Seen) -> str | list[dict[str, str]]:
    """Content as templates read it: text, whose parts stand on lines of their own, or parts where images may be."""
    parts: list[dict[str, str]] = []
    given = [] if content is None else content if isinstance(content, list) else [{"type": "text", "text": content}]
    for place, part in enumerate(given):
        if seen.placeholder and _is_image(part):
            parts.append({"type": "image"})
        elif isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
            parts.append({"type": "text", "text": part["text"]})
        else:
            raise InvalidInputError.at(
                f"{path}.content[{place}]",
                "{field} is not text, and {refusal}",
                reason="unsupported_content",
                refusal=seen.refusal,
            )
    return parts if seen.placeholder else "\n".join(part["text"] for part in parts)


def _is_image(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "image"


def _require_no_placeholder(message: Mapping[str, Any], path: str, placeholder: str) -> None:
    """Refuses what would pass for an image."""
    if any(placeholder in text for text in _texts(message)):
        raise InvalidInputError.at(
            path,
            "{field} has the text {placeholder!r}, which stands for images in this model's prompts",
            reason="unsupported_content",
            placeholder=placeholder,
        )


def _texts(value: object) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from (key, *_texts(each))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


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
