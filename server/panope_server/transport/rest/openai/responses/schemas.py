"""The body of POST /v1/responses."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from panope_server.transport.generation.conversations import MAX_MESSAGES, MAX_TOOLS
from panope_server.transport.rest.json.refusals import Refusal, Refusals
from panope_server.transport.rest.openai.chat.schemas import ReasoningEffort
from panope_server.transport.rest.openai.responses.content import Content

#: What `include` asks for, of which log-probabilities alone are told.
LOGPROBS = "message.output_text.logprobs"

_STORED = "is refused: nothing is stored; send the whole conversation in `input`"


_MetadataKey = Annotated[str, Meta(max_length=64)]
_MetadataValue = Annotated[str, Meta(max_length=512)]


class Item(Struct, forbid_unknown_fields=True, kw_only=True):
    """An item of the conversation: a message, a call of a function or its result, or what the model thought.

    Attributes:
        id: Taken, as answers are sent back; without effect.
        status: The same.
        phase: The same.
        role: Of a message.
        content: Of a message, or the thoughts themselves; texts alone are joined by line breaks.
        call_id: Of a call, and of its result.
        name: Of the function that is called.
        arguments: JSON, as text.
        output: The result of a call, as `content`.
        summary: Of thoughts.
        encrypted_content: Only null: nothing here could read it.
    """

    type: Literal["message", "function_call", "function_call_output", "reasoning"] = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[Content] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Content] | None = None
    summary: list[Content] | None = None
    encrypted_content: None = None


class FunctionTool(Struct, forbid_unknown_fields=True, kw_only=True):
    """A function that the model may call.

    Attributes:
        description: What it does, for the model.
        parameters: The JSON Schema of its arguments. Default: no arguments.
        strict: Whether the arguments always match the schema. Default: true.
    """

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: Raw = field(default_factory=Raw)
    strict: bool | None = None


class NamedFunction(Struct, forbid_unknown_fields=True):
    """The one function that is called."""

    type: Literal["function"]
    name: str


class TextFormat(Struct, forbid_unknown_fields=True, kw_only=True):
    """What the answer must match.

    Attributes:
        type: Anything, any JSON object, or one of the schema.
        name: What the schema is called; for people.
        description: What it is for; for people.
        schema: The JSON Schema.
        strict: Has no effect: an answer always matches.
    """

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: Raw = field(default_factory=Raw)
    strict: bool | None = None


class TextConfig(Struct, forbid_unknown_fields=True):
    """How the answer is written.

    Attributes:
        verbosity: Only `medium`, which is how the model writes by itself.
    """

    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None


class Reasoning(Struct, forbid_unknown_fields=True):
    """How the model thinks.

    Attributes:
        effort: How long, for chat templates that read it.
        summary: Only null: thoughts are told as they are.
    """

    effort: ReasoningEffort | None = None
    summary: None = None


class ResponseStreamOptions(Struct, forbid_unknown_fields=True):
    """How an answer is streamed.

    Attributes:
        include_obfuscation: Only `false`: nothing is added to hide lengths.
    """

    include_obfuscation: Literal[False] | None = None


class ResponseBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/responses.

    Attributes:
        input: A text of the user's, or the conversation.
        model: The model's name or an alias; absent, or `dummy`, for the default model.
        instructions: What the model is told before the conversation.
        max_output_tokens: The most tokens of the answer, thoughts included.
        temperature: Divides the logits; 0 takes the likeliest token.
        top_p: Only the likeliest tokens that together have this probability.
        top_logprobs: How many likeliest tokens are told beside each, with `include`.
        include: `message.output_text.logprobs` tells the log-probability of each token.
        text: How the answer is written.
        tools: The functions that the model may call.
        tool_choice: Whether functions are called, or which one. Default: `auto` with tools, else none.
        parallel_tool_calls: Whether several may be called in one answer. Default: true.
        reasoning: How the model thinks.
        stream: Whether each piece of the answer is sent when it exists, as server-sent events.
        stream_options: How they are sent.
        metadata: Told again with the answer, and kept nowhere. Keys of 64 characters at most, values of 512.
        user: Whom the caller asks for; goes into the log of the call as `end_user` and nowhere else.
        safety_identifier: The newer name of `user`.
        prompt_cache_key: Has no effect: prefixes that were computed are found whoever sent them; see `cache_salt`.
        cache_salt: Only calls of an equal salt share what was computed of prompts that begin alike. Default: shared by
            all that have none.
        store: Only `false`, which is the default here: nothing is stored.
        background: Only `false`.
        truncation: Only `disabled`: a conversation that is too long is refused.
        service_tier: Only `auto` and `default`, which are the same.
    """

    input: str | Annotated[list[Item], Meta(min_length=1, max_length=MAX_MESSAGES)]
    model: Annotated[str, Meta(min_length=1)] | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=(1 << 31) - 1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=100)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    include: list[Literal["message.output_text.logprobs"]] | None = None
    text: TextConfig | None = None
    tools: Annotated[list[FunctionTool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    metadata: Annotated[dict[_MetadataKey, _MetadataValue], Meta(max_length=16)] | None = None
    user: Annotated[str, Meta(max_length=256)] | None = None
    safety_identifier: Annotated[str, Meta(max_length=256)] | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=256)] | None = None
    cache_salt: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    store: Literal[False] | None = None
    background: Literal[False] | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None


REFUSALS = Refusals(
    {
        "previous_response_id": Refusal(_STORED),
        "conversation": Refusal(_STORED),
        "prompt": Refusal("is refused: no prompts are stored; write it into `instructions` and `input`"),
        "context_management": Refusal("is refused: a conversation is never shortened", ([],)),
        "max_tool_calls": Refusal("is refused: tools are the caller's, who may stop calling them"),
        "moderation": Refusal("is refused: nothing is moderated here"),
        "prompt_cache_retention": Refusal("is refused: prefixes stay while there is room", ("in_memory",)),
        "prompt_cache_options": Refusal("is refused: prefixes stay while there is room", ({},)),
        "image": Refusal("is refused: images are read as the model's own processor is set", ({},)),
        "access_programs": Refusal("is refused: there are none here", ({},)),
    }
)
