"""The body of a response as input of task `generate`."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import Conversation, GenerateInput, GenerationOptions, GrammarKind, Sampling
from panope_server.transport.field_names import split
from panope_server.transport.generation.conversations import (
    FunctionJson,
    ToolJson,
    conversation,
)
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.generation.grammars import ResponseFormat, format_grammar
from panope_server.transport.rest.json.raw import is_given
from panope_server.transport.rest.openai.responses.messages import Messages
from panope_server.transport.rest.openai.responses.schemas import (
    FunctionTool,
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


class ResponseNames(GenerationNames):
    """What a body calls the fields of its input.

    Args:
        messages: that its items make.
    """

    def __init__(self, messages: Messages) -> None:
        super().__init__(_NAMES)
        self._messages = messages

    def __call__(self, path: str) -> str:
        """What the body calls a field."""
        path = path.removeprefix("conversation.")
        if path.endswith(f"template_kwargs.{_EFFORT}"):
            return "reasoning.effort"
        if split(path)[0] == "messages":
            return self._messages.name(path)
        return super().__call__(path).replace(".function.", ".")


def response_input(body: ResponseBody) -> tuple[GenerateInput, ResponseNames]:
    """What a body asks for, and what it calls the fields of that.

    Raises:
        InvalidInputError: a field of it cannot be honoured.
    """
    messages = Messages(body)
    names = ResponseNames(messages)
    try:
        talk = _conversation(body, messages)
    except InvalidInputError as error:
        raise error.renamed(names) from None
    return GenerateInput(conversation=talk, stream=bool(body.stream), options=_options(body)), names


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


def _conversation(body: ResponseBody, messages: Messages) -> Conversation:
    effort = body.reasoning.effort if body.reasoning else None
    return conversation(
        messages.messages,
        images=messages.images,
        tools=[_tool(tool) for tool in body.tools or ()],
        tool_choice=body.tool_choice if isinstance(body.tool_choice, str) else "",
        tool_name=body.tool_choice.name if isinstance(body.tool_choice, NamedFunction) else "",
        parallel_tool_calls=body.parallel_tool_calls is not False,
        template_kwargs=msgspec.json.encode({_EFFORT: effort}) if effort else b"",
    )


def _tool(tool: FunctionTool) -> ToolJson:
    parameters = tool.parameters if is_given(tool.parameters) else UNSET
    return ToolJson(FunctionJson(tool.name, tool.description or "", parameters, tool.strict is not False))


def _refusal(name: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"`{name}` {complaint}", field=name)
