"""The body of a response as input of task `generate`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import Conversation, GenerateInput, GenerationOptions, GrammarKind, Sampling
from panope_server.transport.field_names import split
from panope_server.transport.generation.conversations import (
    CalledFunctionJson,
    CalledToolJson,
    FunctionJson,
    MessageJson,
    ToolJson,
    conversation,
)
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.generation.grammars import ResponseFormat, format_grammar
from panope_server.transport.rest.json.raw import is_given
from panope_server.transport.rest.openai.responses.schemas import (
    FunctionTool,
    Item,
    ItemText,
    NamedFunction,
    ResponseBody,
    TextFormat,
)

_EFFORT = "reasoning_effort"
_NAMES = {
    "max_tokens": "max_output_tokens",
    "logprobs": "top_logprobs",
    **dict.fromkeys(("grammar", "grammar_kind", "grammar_source"), "text.format.schema"),
}
_UNREAD = ("input_image", "input_file", "input_audio")


class ResponseNames(GenerationNames):
    """What a body calls the fields of its input."""

    def __init__(self) -> None:
        super().__init__(_NAMES)

    def __call__(self, path: str) -> str:
        """What the body calls a field; messages are made of several items, so none of them is named."""
        if path.endswith(f"template_kwargs.{_EFFORT}"):
            return "reasoning.effort"
        if split(path)[0] == "messages":
            return "input"
        return super().__call__(path).replace(".function.", ".")


NAMES = ResponseNames()


def response_input(body: ResponseBody) -> GenerateInput:
    """What a body asks for.

    Raises:
        InvalidInputError: a field of it cannot be honoured.
    """
    try:
        talk = _conversation(body)
    except InvalidInputError as error:
        raise error.renamed(NAMES) from None
    return GenerateInput(conversation=talk, stream=bool(body.stream), options=_options(body))


def _options(body: ResponseBody) -> GenerationOptions:
    if body.top_logprobs is not None and not body.include:
        raise _refusal("top_logprobs", "has no effect without `include`: [`message.output_text.logprobs`]")
    if body.stream_options is not None and not body.stream:
        raise _refusal("stream_options", "has no effect without `stream`: true")
    kind, source = _grammar(body.text.format if body.text else None)
    return GenerationOptions(
        sampling=Sampling(temperature=body.temperature, top_p=body.top_p),
        max_tokens=body.max_output_tokens,
        logprobs=(body.top_logprobs or 0) if body.include else None,
        grammar_kind=kind,
        grammar_source=source,
        cache_salt=body.cache_salt or "",
    )


def _grammar(given: TextFormat | None) -> tuple[GrammarKind | None, str]:
    if given is None:
        return None, ""
    if given.type == "json_schema" and not is_given(given.schema):
        raise _refusal("text.format.schema", "is missing")
    kind, source, _ = format_grammar(ResponseFormat(type=given.type, schema=given.schema), "text.format")
    return kind, source


def _conversation(body: ResponseBody) -> Conversation:
    effort = body.reasoning.effort if body.reasoning else None
    return conversation(
        _messages(body),
        tools=[_tool(tool) for tool in body.tools or ()],
        tool_choice=body.tool_choice if isinstance(body.tool_choice, str) else "",
        tool_name=body.tool_choice.name if isinstance(body.tool_choice, NamedFunction) else "",
        parallel_tool_calls=body.parallel_tool_calls is not False,
        template_kwargs=msgspec.json.encode({_EFFORT: effort}) if effort else b"",
    )


def _tool(tool: FunctionTool) -> ToolJson:
    parameters = tool.parameters if is_given(tool.parameters) else UNSET
    return ToolJson(FunctionJson(tool.name, tool.description or "", parameters, tool.strict is not False))


def _messages(body: ResponseBody) -> list[MessageJson]:
    found: list[MessageJson] = []
    if body.instructions:
        found.append(MessageJson(role="system", content=body.instructions))
    if isinstance(body.input, str):
        return [*found, MessageJson(role="user", content=body.input)]
    for index, item in enumerate(body.input):
        _add(found, item, f"input[{index}]")
    return found


def _add(messages: list[MessageJson], item: Item, field: str) -> None:
    """Adds an item; what the assistant says, thinks and calls in a row is one message."""
    match item.type:
        case "reasoning":
            thoughts = _text(item.content, f"{field}.content") or _text(item.summary, f"{field}.summary")
            assistant = _assistant(messages)
            assistant.reasoning = _joined(assistant.reasoning, thoughts)
        case "function_call":
            called = CalledFunctionJson(_required(item.name, f"{field}.name"), item.arguments or "{}")
            call = CalledToolJson(_required(item.call_id, f"{field}.call_id"), called)
            assistant = _assistant(messages)
            assistant.tool_calls = [*assistant.tool_calls, call]
        case "function_call_output":
            call_id = _required(item.call_id, f"{field}.call_id")
            output = _text(item.output, f"{field}.output")
            messages.append(MessageJson(role="tool", content=output, tool_call_id=call_id))
        case _ if item.role == "assistant":
            assistant = _assistant(messages)
            assert isinstance(assistant.content, str)  # no item has images
            assistant.content = _joined(assistant.content, _text(item.content, f"{field}.content"))
        case _ if item.role is None:
            raise _refusal(f"{field}.role", "is missing")
        case _:
            messages.append(MessageJson(role=item.role, content=_text(item.content, f"{field}.content")))


def _assistant(messages: list[MessageJson]) -> MessageJson:
    """The assistant's message that the conversation ends with, or a new one."""
    if not messages or messages[-1].role != "assistant":
        messages.append(MessageJson(role="assistant", content=""))
    return messages[-1]


def _text(content: str | Sequence[ItemText] | None, field: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    for index, part in enumerate(content):
        if part.type in _UNREAD:
            where = f"{field}[{index}].{part.type}"
            raise InvalidInputError(
                f"`{where}`: send what is no text to /v1/chat/completions", field=where, reason="unsupported_content"
            )
    return "\n".join(part.text or part.refusal or "" for part in content)


def _joined(one: str, other: str) -> str:
    return f"{one}\n{other}" if one and other else one or other


def _required(value: str | None, field: str) -> str:
    if not value:
        raise _refusal(field, "is missing")
    return value


def _refusal(name: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"`{name}` {complaint}", field=name)
