"""Generation's requests from arguments."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from panope.v1 import generate_service_pb2 as pb
from panope.v1.embed_service_pb2 import TokenSequence
from panope.v1.generation_pb2 import GenerationOptions, Grammar, PromptLookup, SamplingParams
from panope.v1.media_pb2 import Image
from panope_client.arguments import check_names, check_options, iterated, request_of
from panope_client.errors import InvalidArgumentError
from panope_client.messages.token import sequences_of

#: A prompt, several of them, or the token ids of several.
Prompts = str | Sequence[str] | Sequence[Sequence[int]]

#: Messages as OpenAI writes them, or as the protocol has them. A part of a content may be an image by itself:
#: `{"type": "image", "image": …}` with a file's bytes, or its path.
Messages = Sequence[Mapping[str, Any] | pb.ChatMessage]

#: Functions as OpenAI writes them, or as the protocol has them.
Tools = Sequence[Mapping[str, Any] | pb.Tool]

_ROLES: Mapping[str, pb.ChatRole.ValueType] = {
    name.removeprefix("CHAT_ROLE_").lower(): number for name, number in pb.ChatRole.items() if number
}
_MODES: Mapping[str, pb.ToolMode.ValueType] = {
    "auto": pb.TOOL_MODE_AUTO,
    "none": pb.TOOL_MODE_NONE,
    "required": pb.TOOL_MODE_REQUIRED,
}
_MESSAGE_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning")
_GRAMMARS = ("json_object", "json_schema", "regex", "lark")
#: Option -> field of `PromptLookup`.
_LOOKUP = {"prompt_lookup_tokens": "num_tokens", "prompt_lookup_max_ngram": "max_ngram"}
_SAMPLING = tuple(SamplingParams.DESCRIPTOR.fields_by_name)


class GenerateOptions(TypedDict, total=False):
    """How to generate; what is left out has the model's defaults. See `panope.v1.GenerationOptions`.

    Attributes:
        json_schema: the schema that the answer matches, as a mapping or as JSON; at most one of it and the next three.
        json_object: whether the answer is any JSON object.
        regex: what the whole answer matches.
        lark: the grammar that the answer matches.
        cache_salt: only calls of an equal salt share what was computed of prompts that begin alike.
        prompt_lookup_tokens: of drafts from the prompt and the answer so far, 1 to 16; 0 for none.
        prompt_lookup_max_ngram: the most tokens that are looked for to find a draft, 1 to 8; 3 by default.
    """

    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: Mapping[int, float] | None
    seed: int | None
    max_tokens: int | None
    min_tokens: int | None
    n: int | None
    stop: Sequence[str] | None
    stop_token_ids: Sequence[int] | None
    include_stop: bool | None
    ignore_eos: bool | None
    skip_special_tokens: bool | None
    logprobs: int | None
    prompt_logprobs: int | None
    priority: int | None
    truncate_prompt_tokens: int | None
    json_schema: Mapping[str, Any] | str | None
    json_object: bool | None
    regex: str | None
    lark: str | None
    cache_salt: str | None
    prompt_lookup_tokens: int | None
    prompt_lookup_max_ngram: int | None


def generate_request(
    prompts: Prompts,
    model: str,
    options: GenerateOptions,
    *,
    echo: bool,
    add_special_tokens: bool | None,
    text_to_text: pb.TextToText | None,
    suffix: str,
) -> pb.GenerateRequest:
    """Makes the request to continue prompts.

    Raises:
        InvalidArgumentError: an option is unknown or has a wrong value; the prompts mix texts and token ids.
    """
    texts, token_ids = _split(prompts)
    return request_of(
        pb.GenerateRequest,
        model=model,
        prompts=texts,
        prompt_token_ids=token_ids,
        options=_options(options),
        echo=echo,
        add_special_tokens=add_special_tokens,
        text_to_text=text_to_text,
        suffix=suffix,
    )


def chat_request(
    messages: Messages,
    model: str,
    options: GenerateOptions,
    *,
    tools: Tools = (),
    tool_choice: str | None = None,
    parallel_tool_calls: bool | None = None,
    template_kwargs: Mapping[str, Any] | None = None,
    continue_final_message: bool = False,
) -> pb.ChatRequest:
    """Makes the request to answer a conversation.

    Raises:
        InvalidArgumentError: an option is unknown or has a wrong value, or a message or a tool is not one.
    """
    if isinstance(messages, str | bytes | Mapping):
        raise InvalidArgumentError("`messages` must be a list of messages", field="messages")
    return request_of(
        pb.ChatRequest,
        model=model,
        messages=[_message(message, index) for index, message in enumerate(iterated(messages, "messages"))],
        tools=[_tool(tool, index) for index, tool in enumerate(iterated(tools, "tools"))],
        tool_choice=_tool_choice(tool_choice),
        parallel_tool_calls=parallel_tool_calls,
        options=_options(options),
        template_kwargs_json="" if template_kwargs is None else json.dumps(template_kwargs),
        continue_final_message=continue_final_message,
    )


def _options(options: GenerateOptions) -> GenerationOptions:
    check_options(options, GenerateOptions)
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    sampling: dict[str, Any] = {name: given.pop(name) for name in _SAMPLING if name in given}
    grammars: dict[str, Any] = {name: given.pop(name) for name in _GRAMMARS if name in given}
    lookup: dict[str, Any] = {field: given.pop(name) for name, field in _LOOKUP.items() if name in given}
    return request_of(
        GenerationOptions,
        sampling=request_of(SamplingParams, **sampling) if sampling else None,
        grammar=_grammar(grammars),
        prompt_lookup=request_of(PromptLookup, **lookup) if lookup else None,
        **given,
    )


def _grammar(given: Mapping[str, Any]) -> Grammar | None:
    given = {name: value for name, value in given.items() if not (name == "json_object" and value is False)}
    if len(given) > 1:
        raise InvalidArgumentError(f"at most one of {', '.join(_GRAMMARS)} may be given", field=list(given)[1])
    schema = given.get("json_schema")
    if isinstance(schema, Mapping):
        given = {"json_schema": json.dumps(schema)}
    return request_of(Grammar, **given) if given else None


def _split(prompts: Prompts) -> tuple[list[str], list[TokenSequence]]:
    """Texts and token ids; one of the two is empty."""
    if isinstance(prompts, str):
        return [prompts], []
    items = list(iterated(prompts, "prompts"))
    texts = [item for item in items if isinstance(item, str)]
    if not texts:
        return [], sequences_of(items, "prompts")
    if len(texts) < len(items):
        raise InvalidArgumentError("prompts are either texts or token ids, not both", field="prompts")
    return texts, []


def _message(given: Mapping[str, Any] | pb.ChatMessage, index: int) -> pb.ChatMessage:
    if isinstance(given, pb.ChatMessage):
        return given
    field = f"messages[{index}]"
    check_names(field, given)
    if unknown := given.keys() - set(_MESSAGE_KEYS):
        raise InvalidArgumentError(f"`{field}` has the unknown key `{min(unknown)}`", field=f"{field}.{min(unknown)}")
    role = _ROLES.get(given.get("role", ""))
    if role is None:
        known = ", ".join(_ROLES)
        raise InvalidArgumentError(f"`{field}.role` must be one of {known}", field=f"{field}.role")
    return request_of(
        pb.ChatMessage,
        role=role,
        content=_content(given.get("content"), f"{field}.content"),
        name=given.get("name") or "",
        tool_calls=[_call(call, f"{field}.tool_calls") for call in given.get("tool_calls") or ()],
        tool_call_id=given.get("tool_call_id") or "",
        reasoning=given.get("reasoning") or "",
    )


def _content(given: Any, field: str) -> list[pb.ContentPart]:
    if given is None:
        return []
    if isinstance(given, str):
        return [pb.ContentPart(text=given)]
    parts = []
    for place, part in enumerate(iterated(given, field)):
        if isinstance(part, pb.ContentPart):
            parts.append(part)
        elif isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
            parts.append(pb.ContentPart(text=part["text"]))
        else:
            parts.append(pb.ContentPart(image=_image(part, f"{field}[{place}]")))
    return parts


def _image(part: Any, field: str) -> Image:
    """`{"type": "image_url", "image_url": {"url": …}}` as OpenAI writes it, or `{"type": "image", "image": …}`."""
    match part:
        case {"type": "image_url", "image_url": str(url)} | {"type": "image_url", "image_url": {"url": str(url)}}:
            return Image(uri=url)
        case {"type": "image", "image": bytes(content)}:
            return Image(content=content)
        case {"type": "image", "image": os.PathLike() as path}:
            try:
                return Image(content=Path(path).read_bytes())
            except OSError as error:
                reason = error.strerror or "it cannot be read"
                raise InvalidArgumentError(f"`{field}.image`: {reason}", field=f"{field}.image") from error
    raise InvalidArgumentError(f"`{field}` must be a text part or an image part", field=field)


def _call(given: Any, field: str) -> pb.ToolCall:
    if isinstance(given, pb.ToolCall):
        return given
    try:
        function = given["function"]
        return pb.ToolCall(id=given.get("id", ""), name=function["name"], arguments_json=function["arguments"])
    except (TypeError, KeyError, AttributeError) as error:
        raise InvalidArgumentError(f"`{field}` must be calls of functions", field=field) from error


def _tool(given: Mapping[str, Any] | pb.Tool, index: int) -> pb.Tool:
    if isinstance(given, pb.Tool):
        return given
    try:
        function = given["function"]
        parameters = function.get("parameters")
        return pb.Tool(
            name=function["name"],
            description=function.get("description", ""),
            parameters_json="" if parameters is None else json.dumps(parameters),
            strict=bool(function.get("strict", False)),
        )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise InvalidArgumentError(f"`tools[{index}]` must be a function", field=f"tools[{index}]") from error


def _tool_choice(given: str | None) -> pb.ToolChoice | None:
    if given is None:
        return None
    return pb.ToolChoice(mode=_MODES[given]) if given in _MODES else request_of(pb.ToolChoice, name=given)
