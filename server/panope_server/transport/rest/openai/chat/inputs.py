"""A chat's body as input of task `generate`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import UNSET, Raw

from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import Conversation, GenerateInput, GenerationOptions
from panope_server.tasks.vision.images import Image, image_of_uri
from panope_server.transport.generation.conversations import (
    CalledFunctionJson,
    CalledToolJson,
    FunctionJson,
    ImagePartJson,
    MessageJson,
    TextPartJson,
    ToolJson,
    content_of,
    conversation,
)
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.rest.generation.fields import names_of, options_of
from panope_server.transport.rest.json.raw import is_given
from panope_server.transport.rest.openai.chat.schemas import (
    AudioPart,
    ChatBody,
    ContentPart,
    FilePart,
    FunctionBody,
    ImagePart,
    MessageBody,
    NamedToolBody,
    RefusalPart,
    TextPart,
    VideoPart,
)
from panope_server.transport.rest.openai.images import image_of

_EFFORT = "reasoning_effort"

#: What the parts are called that no model here reads.
_UNREAD: tuple[tuple[type[ContentPart], str], ...] = (
    (AudioPart, "input_audio"),
    (VideoPart, "video_url"),
    (FilePart, "file"),
)


def chat_input(body: ChatBody) -> GenerateInput:
    """What a body asks for.

    Raises:
        InvalidInputError: a field of it cannot be honoured.
    """
    return GenerateInput(conversation=conversation_of(body), stream=bool(body.stream), options=_options(body))


def chat_names(body: ChatBody) -> GenerationNames:
    """What a body calls the fields of its input."""
    logprobs = "logprobs" if body.top_logprobs is None else "top_logprobs"
    names = {**names_of(body), "logprobs": logprobs, "template_kwargs": "chat_template_kwargs"}
    if body.max_completion_tokens is not None:
        names["max_tokens"] = "max_completion_tokens"
    return _ChatNames(names)


class _ChatNames(GenerationNames):
    """As for every body; one value of the template has a field of its own."""

    def __call__(self, path: str) -> str:
        return _EFFORT if path.endswith(f"template_kwargs.{_EFFORT}") else super().__call__(path)


def _options(body: ChatBody) -> GenerationOptions:
    if body.top_logprobs is not None and not body.logprobs:
        raise _refusal("top_logprobs", "has no effect without `logprobs`: true")
    options = options_of(body, logprobs=(body.top_logprobs or 0) if body.logprobs else None)
    if body.max_completion_tokens is not None:
        if body.max_tokens not in (None, body.max_completion_tokens):
            raise _refusal("max_tokens", "and `max_completion_tokens` differ")
        options.max_tokens = body.max_completion_tokens
    elif body.max_tokens == 0:
        raise _refusal("max_tokens", "must be at least 1")
    return options


def conversation_of(body: ChatBody) -> Conversation:
    """The conversation of a body.

    Raises:
        InvalidInputError: a field of it cannot be honoured.
    """
    continued = bool(body.continue_final_message)
    if body.add_generation_prompt is not None and body.add_generation_prompt == continued:
        raise _refusal("add_generation_prompt", "must be the contrary of `continue_final_message`")
    named = body.tool_choice if isinstance(body.tool_choice, NamedToolBody) else None
    images: list[Image] = []
    return conversation(
        [_message(message, f"messages[{index}]", images) for index, message in enumerate(body.messages)],
        images=images,
        tools=[ToolJson(_function(tool.function)) for tool in body.tools or ()],
        tool_choice=body.tool_choice if isinstance(body.tool_choice, str) else "",
        tool_name=named.function.name if named else "",
        parallel_tool_calls=body.parallel_tool_calls is not False,
        template_kwargs=_template_kwargs(body),
        continue_final_message=continued,
    )


def _message(body: MessageBody, field: str, images: list[Image]) -> MessageJson:
    if body.reasoning and body.reasoning_content not in (None, "", body.reasoning):
        raise _refusal(f"{field}.reasoning_content", f"and `{field}.reasoning` differ")
    return MessageJson(
        role=body.role,
        content=_content(body, field, images) or body.refusal or "",
        name=body.name or "",
        reasoning=body.reasoning or body.reasoning_content or "",
        tool_calls=[
            CalledToolJson(call.id, CalledFunctionJson(call.function.name, call.function.arguments))
            for call in body.tool_calls or ()
        ],
        tool_call_id=body.tool_call_id or "",
    )


def _content(body: MessageBody, field: str, images: list[Image]) -> str | list[TextPartJson | ImagePartJson]:
    if isinstance(body.content, str):
        return body.content
    may_be_silent = body.role == "assistant" and (
        body.tool_calls or body.refusal or body.reasoning or body.reasoning_content
    )
    required = "" if may_be_silent else f"{field}.content"
    return content_of(list(_parts(body.content or [], field)), images, required=required)


def _parts(parts: list[ContentPart], field: str) -> Iterator[str | Image]:
    for index, part in enumerate(parts):
        match part:
            case TextPart():
                yield part.text
            case RefusalPart():
                yield part.refusal
            case ImagePart():
                yield _image(part, f"{field}.content[{index}].image_url")
            case _:
                name = next(name for kind, name in _UNREAD if isinstance(part, kind))
                where = f"{field}.content[{index}].{name}"
                raise InvalidInputError(
                    f"`{where}`: models here read texts and images alone",
                    field=where,
                    reason="unsupported_content",
                )


def _image(part: ImagePart, field: str) -> Image:
    given = part.image_url
    if isinstance(given, str):
        return image_of_uri(given, field)
    return image_of(given.url, f"{field}.url", given.detail, f"{field}.detail")


def _function(body: FunctionBody) -> FunctionJson:
    parameters = body.parameters if is_given(body.parameters) else UNSET
    return FunctionJson(body.name, body.description or "", parameters, bool(body.strict))


def _template_kwargs(body: ChatBody) -> bytes:
    given = bytes(body.chat_template_kwargs) if is_given(body.chat_template_kwargs) else b""
    if not given and body.reasoning_effort is None:
        return b""
    try:
        values = msgspec.json.decode(given or b"{}", type=dict[str, Raw])
    except msgspec.ValidationError:
        raise _refusal("chat_template_kwargs", "must be an object") from None
    if body.reasoning_effort is not None:
        if _EFFORT in values:
            raise _refusal(_EFFORT, f"and `chat_template_kwargs.{_EFFORT}` exclude each other")
        values[_EFFORT] = Raw(msgspec.json.encode(body.reasoning_effort))
    return msgspec.json.encode(values) if values else b""


def _refusal(name: str, complaint: str) -> InvalidInputError:
    return InvalidInputError(f"`{name}` {complaint}", field=name)
