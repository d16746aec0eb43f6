"""The requests of GenerateService as inputs of task `generate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec
from google.protobuf.message import Message
from msgspec import UNSET, Raw

from panope.v1 import generate_service_pb2 as pb
from panope.v1 import generation_pb2 as generation
from panope.v1 import media_pb2 as media
from panope_backends.errors import InvalidInputError
from panope_server.tasks.generate.types import (
    GenerateInput,
    GenerationOptions,
    GrammarKind,
    Sampling,
    TextTask,
    TextToText,
)
from panope_server.tasks.vision.images import Image, image_of_uri
from panope_server.transport.generation.conversations import (
    CalledFunctionJson,
    CalledToolJson,
    FunctionJson,
    MessageJson,
    Role,
    ToolJson,
    content_of,
    conversation,
)
from panope_server.transport.generation.names import GenerationNames
from panope_server.transport.grpc.fields import known

T = TypeVar("T")

_SAMPLING = tuple(generation.SamplingParams.DESCRIPTOR.fields_by_name)

#: What the messages call the fields that errors mention.
NAMES = GenerationNames(
    {
        **{name: f"options.{name}" for name in generation.GenerationOptions.DESCRIPTOR.fields_by_name},
        **{name: f"options.sampling.{name}" for name in _SAMPLING},
        "grammar_kind": "options.grammar",
        "grammar_source": "options.grammar",
        "lookup_tokens": "options.prompt_lookup.num_tokens",
        "lookup_max_ngram": "options.prompt_lookup.max_ngram",
        "template_kwargs": "template_kwargs_json",
        "source_language": "text_to_text.source_language",
        "target_language": "text_to_text.target_language",
    }
)

_ROLES: Mapping[int, Role] = {
    pb.CHAT_ROLE_SYSTEM: "system",
    pb.CHAT_ROLE_USER: "user",
    pb.CHAT_ROLE_ASSISTANT: "assistant",
    pb.CHAT_ROLE_TOOL: "tool",
    pb.CHAT_ROLE_DEVELOPER: "developer",
}
_TOOL_MODES: Mapping[int, str] = {
    pb.TOOL_MODE_UNSPECIFIED: "",
    pb.TOOL_MODE_AUTO: "auto",
    pb.TOOL_MODE_NONE: "none",
    pb.TOOL_MODE_REQUIRED: "required",
}
_TEXT_TASKS: Mapping[int, TextTask | None] = {
    pb.TEXT_TASK_UNSPECIFIED: None,
    pb.TEXT_TASK_SUMMARIZATION: "summarization",
    pb.TEXT_TASK_TRANSLATION: "translation",
}
_GRAMMARS: Mapping[str, GrammarKind] = {
    "json_object": "json_object",
    "json_schema": "json_schema",
    "regex": "regex",
    "lark": "lark",
}


def generate_input(request: pb.GenerateRequest, *, stream: bool) -> GenerateInput:
    """What a request to continue prompts asks for."""
    if request.prompts and request.prompt_token_ids:
        raise InvalidInputError("`prompts` and `prompt_token_ids` exclude each other", field="prompt_token_ids")
    if not request.prompts and not request.prompt_token_ids:
        raise InvalidInputError("`prompts` is empty; give at least one", field="prompts")
    return GenerateInput(
        prompts=list(request.prompts),
        prompt_token_ids=[list(sequence.ids) for sequence in request.prompt_token_ids],
        add_special_tokens=_given(request, "add_special_tokens", True),
        echo=request.echo,
        suffix=request.suffix,
        stream=stream,
        text_to_text=_text_to_text(request.text_to_text) if request.HasField("text_to_text") else None,
        options=_options(request.options),
    )


def _text_to_text(given: pb.TextToText) -> TextToText:
    return TextToText(
        task=known(_TEXT_TASKS, given.task, "text_to_text.task"),
        source_language=given.source_language,
        target_language=given.target_language,
        truncate=given.truncate,
    )


def chat_input(request: pb.ChatRequest, *, stream: bool) -> GenerateInput:
    """What a request to answer a conversation asks for."""
    images: list[Image] = []
    try:
        talk = conversation(
            [_message(message, f"messages[{index}]", images) for index, message in enumerate(request.messages)],
            images=images,
            tools=[_tool(tool, index) for index, tool in enumerate(request.tools)],
            tool_choice=_tool_mode(request.tool_choice),
            tool_name=request.tool_choice.name,
            parallel_tool_calls=_given(request, "parallel_tool_calls", True),
            template_kwargs=_json_object(request.template_kwargs_json, "template_kwargs_json"),
            continue_final_message=request.continue_final_message,
        )
    except InvalidInputError as error:
        raise error.renamed(lambda path: path.replace(".function.", ".")) from None
    return GenerateInput(conversation=talk, stream=stream, options=_options(request.options))


def _options(given: generation.GenerationOptions) -> GenerationOptions:
    kind, source = _grammar(given.grammar)
    lookup = given.prompt_lookup
    if lookup.max_ngram and not lookup.num_tokens:
        raise InvalidInputError(
            "`options.prompt_lookup.max_ngram` has no effect without `num_tokens`",
            field="options.prompt_lookup.max_ngram",
        )
    return GenerationOptions(
        sampling=_sampling(given.sampling),
        max_tokens=_given(given, "max_tokens", None),
        min_tokens=given.min_tokens,
        n=_given(given, "n", 1),
        stop=list(given.stop),
        stop_token_ids=list(given.stop_token_ids),
        include_stop=given.include_stop,
        ignore_eos=given.ignore_eos,
        skip_special_tokens=_given(given, "skip_special_tokens", True),
        logprobs=_given(given, "logprobs", None),
        prompt_logprobs=_given(given, "prompt_logprobs", None),
        grammar_kind=kind,
        grammar_source=source,
        priority=given.priority,
        truncate_prompt_tokens=_given(given, "truncate_prompt_tokens", None),
        cache_salt=given.cache_salt,
        lookup_tokens=lookup.num_tokens if given.HasField("prompt_lookup") else None,
        lookup_max_ngram=lookup.max_ngram or 3,
    )


def _sampling(given: generation.SamplingParams) -> Sampling:
    values = {name: _given(given, name, None) for name in _SAMPLING if name != "logit_bias"}
    return Sampling(**values, logit_bias=dict(given.logit_bias))


def _grammar(given: generation.Grammar) -> tuple[GrammarKind | None, str]:
    name = given.WhichOneof("source")
    if name is None:
        return None, ""
    value = getattr(given, name)
    if not value:
        rule = "true" if name == "json_object" else "not empty"
        raise InvalidInputError(f"`options.grammar.{name}` must be {rule}", field=f"options.grammar.{name}")
    return _GRAMMARS[name], value if isinstance(value, str) else ""


def _message(message: pb.ChatMessage, field: str, images: list[Image]) -> MessageJson:
    role = known(_ROLES, message.role, f"{field}.role")
    may_be_silent = role == "assistant" and (message.tool_calls or message.reasoning)
    required = "" if may_be_silent else f"{field}.content"
    return MessageJson(
        role=role,
        content=content_of(list(_parts(message.content, field)), images, required=required),
        name=message.name,
        reasoning=message.reasoning,
        tool_calls=[
            CalledToolJson(call.id, CalledFunctionJson(call.name, call.arguments_json)) for call in message.tool_calls
        ],
        tool_call_id=message.tool_call_id,
    )


def _parts(content: Sequence[pb.ContentPart], field: str) -> Iterator[str | Image]:
    for index, part in enumerate(content):
        match part.WhichOneof("part"):
            case "text":
                yield part.text
            case "image":
                yield _image(part.image, f"{field}.content[{index}].image")
            case None:
                raise InvalidInputError(f"`{field}.content[{index}]` is empty", field=f"{field}.content[{index}]")


def _image(given: media.Image, field: str) -> Image:
    if given.WhichOneof("source") == "uri":
        return image_of_uri(given.uri, f"{field}.uri")
    return Image(content=given.content)


def _tool(tool: pb.Tool, index: int) -> ToolJson:
    given = _json_object(tool.parameters_json, f"tools[{index}].parameters_json")
    return ToolJson(FunctionJson(tool.name, tool.description, Raw(given) if given else UNSET, tool.strict))


def _tool_mode(choice: pb.ToolChoice) -> str:
    return known(_TOOL_MODES, choice.mode, "tool_choice.mode")


def _json_object(text: str, field: str) -> bytes:
    """A JSON object as it was written; empty for none."""
    if not text:
        return b""
    try:
        msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidInputError(f"`{field}` must be a JSON object", field=field) from None
    return text.strip().encode()


def _given(message: Message, name: str, default: T) -> T:
    """The value of an optional field; the default where it is not set."""
    value: T = getattr(message, name) if message.HasField(name) else default
    return value
