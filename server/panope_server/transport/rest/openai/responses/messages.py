"""The items of a body as messages of a conversation."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError
from panope_server.tasks.vision.images import Image
from panope_server.transport.field_names import split
from panope_server.transport.generation.conversations import (
    CalledFunctionJson,
    CalledToolJson,
    MessageJson,
    content_of,
)
from panope_server.transport.rest.openai.responses.content import pieces_of, text_of
from panope_server.transport.rest.openai.responses.schemas import Item, ResponseBody


class Messages:
    """The messages that a body's items make.

    Args:
        body: with the items.

    Attributes:
        messages: the first of them first.
        images: of all messages, in their order.

    Raises:
        InvalidInputError: an item lacks something, or has what no model here reads.
    """

    def __init__(self, body: ResponseBody) -> None:
        self.messages: list[MessageJson] = []
        self.images: list[Image] = []
        self._fields: list[tuple[str, str]] = []
        if body.instructions:
            self._append(MessageJson(role="system", content=body.instructions), "instructions", "")
        if isinstance(body.input, str):
            self._append(MessageJson(role="user", content=body.input), "input", "")
            return
        for index, item in enumerate(body.input):
            self._add(item, f"input[{index}]")

    def name(self, path: str) -> str:
        """What the body calls `messages[2].content[1]`; what is made of several items is the input as a whole.

        Args:
            path: `messages`, and perhaps a position and a part of that message.
        """
        place, _, part = split(path)[1].partition("]")
        if not place:
            return "input"
        item, content = self._fields[int(place[1:])]
        if part == ".tool_call_id":
            return f"{item}.call_id"
        return f"{item}.{content}{part.removeprefix('.content')}" if content and part.startswith(".content") else item

    def _append(self, message: MessageJson, item: str, content: str) -> None:
        self.messages.append(message)
        self._fields.append((item, content))

    def _add(self, item: Item, field: str) -> None:
        """Adds an item; what the assistant says, thinks and calls in a row is one message."""
        match item.type:
            case "reasoning":
                thoughts = text_of(item.content, f"{field}.content") or text_of(item.summary, f"{field}.summary")
                assistant = self._assistant()
                assistant.reasoning = _joined(assistant.reasoning, thoughts)
            case "function_call":
                called = CalledFunctionJson(_required(item.name, f"{field}.name"), item.arguments or "{}")
                call = CalledToolJson(_required(item.call_id, f"{field}.call_id"), called)
                assistant = self._assistant()
                assistant.tool_calls = [*assistant.tool_calls, call]
            case "function_call_output":
                call_id = _required(item.call_id, f"{field}.call_id")
                pieces = list(pieces_of(item.output, f"{field}.output"))
                output = content_of(pieces, self.images, required=f"{field}.output")
                self._append(MessageJson(role="tool", content=output, tool_call_id=call_id), field, "output")
            case _ if item.role == "assistant":
                if item.content is None:
                    raise _missing(f"{field}.content")
                assistant = self._assistant()
                assert isinstance(assistant.content, str)  # the assistant's items have no images
                assistant.content = _joined(assistant.content, text_of(item.content, f"{field}.content"))
            case _ if item.role is None:
                raise _missing(f"{field}.role")
            case _:
                pieces = list(pieces_of(item.content, f"{field}.content"))
                content = content_of(pieces, self.images, required=f"{field}.content")
                self._append(MessageJson(role=item.role, content=content), field, "content")

    def _assistant(self) -> MessageJson:
        """The assistant's message that the conversation ends with, or a new one."""
        if not self.messages or self.messages[-1].role != "assistant":
            self._append(MessageJson(role="assistant", content=""), "input", "")
        return self.messages[-1]


def _joined(one: str, other: str) -> str:
    return f"{one}\n{other}" if one and other else one or other


def _required(value: str | None, field: str) -> str:
    if not value:
        raise _missing(field)
    return value


def _missing(name: str) -> InvalidInputError:
    return InvalidInputError(f"`{name}` is missing", field=name)
