"""The body of POST /v1/chat/completions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct, field

from panope_server.transport.generation.conversations import MAX_MESSAGES, MAX_TOOLS
from panope_server.transport.rest.generation.fields import GenerationFields
from panope_server.transport.rest.generation.refused import REFUSED
from panope_server.transport.rest.json.refusals import Refusal, Refusals

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TextPart(Struct, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """A text."""

    text: str


class RefusalPart(Struct, forbid_unknown_fields=True, tag_field="type", tag="refusal"):
    """A text of the assistant's that refused something."""

    refusal: str


class ImageUrlBody(Struct, forbid_unknown_fields=True):
    """Where an image is.

    Attributes:
        url: The file in base64: `data:image/png;base64,…`; or its URL, where the settings `media_urls` allow that.
        detail: Only `auto`: an image is read as the model's own processor is set.
    """

    url: str
    detail: str | None = None


class ImagePart(Struct, forbid_unknown_fields=True, tag_field="type", tag="image_url"):
    """An image, for models that see images."""

    image_url: str | ImageUrlBody


class AudioPart(Struct, forbid_unknown_fields=True, tag_field="type", tag="input_audio"):
    """A recording; refused: models here read text alone."""

    input_audio: Raw


class VideoPart(Struct, forbid_unknown_fields=True, tag_field="type", tag="video_url"):
    """A film; refused: models here read text alone."""

    video_url: Raw


class FilePart(Struct, forbid_unknown_fields=True, tag_field="type", tag="file"):
    """A file; refused: models here read text alone."""

    file: Raw


ContentPart = TextPart | RefusalPart | ImagePart | AudioPart | VideoPart | FilePart


class CalledFunctionBody(Struct, forbid_unknown_fields=True):
    """A function that was called.

    Attributes:
        arguments: JSON, as text.
    """

    name: str
    arguments: str


class CalledToolBody(Struct, forbid_unknown_fields=True):
    """A call of a tool in an earlier answer."""

    id: str
    function: CalledFunctionBody
    type: Literal["function"] = "function"
    index: int | None = None


class MessageBody(Struct, forbid_unknown_fields=True):
    """A message of the conversation.

    Attributes:
        content: What is said: a text, or several, which are joined by line breaks, and images. Null only where the
            assistant calls tools, refuses, or has but thought.
        name: Who of several with the same role.
        tool_calls: What the assistant called.
        tool_call_id: The call whose result this is, of the role `tool`: the id of one in an earlier message.
        reasoning: What the assistant thought before it answered.
        reasoning_content: Another name of `reasoning`.
        refusal: What the assistant refused; in place of `content`.
        annotations: Only empty; answers have none.
        audio: Only null.
        function_call: Only null: use `tool_calls`.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: Annotated[str, Meta(max_length=64)] | None = None
    tool_calls: list[CalledToolBody] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    annotations: Annotated[list[Raw], Meta(max_length=0)] | None = None
    audio: None = None
    function_call: None = None


class FunctionBody(Struct, forbid_unknown_fields=True):
    """A function that the model may call.

    Attributes:
        description: What it does, for the model.
        parameters: The JSON Schema of its arguments. Default: no arguments.
        strict: Whether the arguments always match the schema.
    """

    name: str
    description: str | None = None
    parameters: Raw = field(default_factory=Raw)
    strict: bool | None = None


class ToolBody(Struct, forbid_unknown_fields=True):
    """A tool that the model may call."""

    function: FunctionBody
    type: Literal["function"] = "function"


class NamedFunctionBody(Struct, forbid_unknown_fields=True):
    """The name of a function."""

    name: str


class NamedToolBody(Struct, forbid_unknown_fields=True):
    """The one tool that is called."""

    function: NamedFunctionBody
    type: Literal["function"] = "function"


class ChatBody(GenerationFields, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/chat/completions.

    Attributes:
        messages: The conversation.
        max_completion_tokens: The newer name of `max_tokens`.
        logprobs: Whether the log-probability of each token is told.
        top_logprobs: How many likeliest tokens are told beside each; with `logprobs`.
        tools: The tools that the model may call.
        tool_choice: Whether tools are called, or which one. Default: `auto` with tools, else none.
        parallel_tool_calls: Whether several may be called in one answer. Default: true.
        reasoning_effort: How long the model thinks, for chat templates that read it.
        chat_template_kwargs: Values for the model's chat template, an object; names that it does not read are refused.
        continue_final_message: Whether the last message, the assistant's, is continued instead of answered.
        add_generation_prompt: Only the contrary of `continue_final_message`.
        add_special_tokens: Only `false`: the chat template writes them.
        store: Only `false`: nothing is stored.
        modalities: Only `["text"]`.
        service_tier: Only `auto` and `default`, which are the same.
        verbosity: Only `medium`, which is how the model writes by itself.
    """

    messages: Annotated[list[MessageBody], Meta(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Meta(ge=1, le=(1 << 31) - 1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: Annotated[list[ToolBody], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedToolBody | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: ReasoningEffort | None = None
    chat_template_kwargs: Raw = field(default_factory=Raw)
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None
    add_special_tokens: Literal[False] | None = None
    store: Literal[False] | None = None
    modalities: Annotated[list[Literal["text"]], Meta(min_length=1)] | None = None
    service_tier: Literal["auto", "default"] | None = None
    verbosity: Literal["medium"] | None = None


REFUSALS = Refusals(
    {
        **REFUSED,
        "functions": Refusal("is refused: use `tools`", ([],)),
        "function_call": Refusal("is refused: use `tool_choice`", ("none", "auto")),
        "audio": Refusal("is refused: models here answer with text alone"),
        "prediction": Refusal("is refused: `num_assistant_tokens` takes drafts from the prompt"),
        "web_search_options": Refusal("is refused: nothing is searched here"),
        "documents": Refusal("is refused: write them into a message, or into `chat_template_kwargs`", ([],)),
        "chat_template": Refusal("is refused: templates come from the model's own files"),
        "echo": Refusal("is refused: an answer does not repeat the conversation", (False,)),
        "mm_processor_kwargs": Refusal("is refused: models here read text alone", ({},)),
    }
)
