"""What task `generate` takes and gives.

Errors name a field as it is called here, without what it stands in: `temperature`, `max_tokens`, `prompts[0]`,
`prompt_token_ids[1]`, `grammar`, `messages[2]`, `tools[0]`, `template_kwargs.NAME`; the edge knows what each protocol
calls it. A prompt that is too long has the reason `context_length_exceeded`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from panope_server.tasks.task import Input, Output
from panope_server.tasks.vision.images import Image

GrammarKind = Literal["json_object", "json_schema", "regex", "lark"]
TextTask = Literal["summarization", "translation"]
FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(slots=True)
class Sampling:
    """How each next token is drawn; None for the model's defaults.

    Attributes:
        seed: None draws others each time.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None


@dataclass(slots=True)
class GenerationOptions:
    """How answers are generated; the meaning of each is in `panope.v1.GenerationOptions`.

    Attributes:
        max_tokens: None for as many as the model has positions for.
        logprobs: None for no log-probabilities.
        prompt_logprobs: None for none of the prompt.
        grammar_kind: None for no grammar.
        truncate_prompt_tokens: None refuses a prompt that is too long.
        cache_salt: empty shares what is computed with all that have none.
        lookup_tokens: of a draft from what was before; 0 for none, None for what the model's settings say.
    """

    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    min_tokens: int = 0
    n: int = 1
    stop: list[str] = field(default_factory=list)
    stop_token_ids: list[int] = field(default_factory=list)
    include_stop: bool = False
    ignore_eos: bool = False
    skip_special_tokens: bool = True
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    grammar_kind: GrammarKind | None = None
    grammar_source: str = ""
    priority: int = 0
    truncate_prompt_tokens: int | None = None
    cache_salt: str = ""
    lookup_tokens: int | None = None
    lookup_max_ngram: int = 3


@dataclass(slots=True)
class Conversation:
    """A conversation for the model's chat template; JSON, as OpenAI writes messages and tools, in the caller's order.

    Attributes:
        messages: a JSON list of objects with `role`, `content` and, where they apply, `name`, `tool_calls`,
            `tool_call_id` and `reasoning`.
        tools: a JSON list; empty for none.
        tool_choice: `auto`, `none`, `required`, or `name:` and the tool's name.
        template_kwargs: a JSON object; empty for none.
        continue_final_message: whether the last message, the assistant's, is continued.
        images: of all parts that are images, in their order. A content with images is a list of parts in `messages`,
            `{"type": "text", "text": …}` and `{"type": "image"}`.
    """

    messages: bytes
    tools: bytes = b""
    tool_choice: str = "auto"
    parallel_tool_calls: bool = True
    template_kwargs: bytes = b""
    continue_final_message: bool = False
    images: list[Image] = field(default_factory=list)


@dataclass(slots=True)
class TextToText:
    """How a model with an encoder turns a text into another; the meaning of each is in `panope.v1.TextToText`.

    Attributes:
        task: None for what the text says by itself.
        max_length: as `max_tokens`, with the tokens that the decoder starts with; 0 for unset.
        min_length: as above.
    """

    task: TextTask | None = None
    source_language: str = ""
    target_language: str = ""
    truncate: bool = False
    max_length: int = 0
    min_length: int = 0


@dataclass(slots=True)
class GenerateInput(Input):
    """Prompts as texts, or as token ids, or a conversation: exactly one of the three.

    Attributes:
        first_index: the position in the call of the first prompt; more than 0 for parts of a large call.
        stream: whether pieces of answers are wanted when they exist; otherwise each answer comes whole.
        text_to_text: None for prompts as they are.
        suffix: what comes behind the answer to a prompt that is a text; empty for nothing.
    """

    prompts: list[str] = field(default_factory=list)
    prompt_token_ids: list[list[int]] = field(default_factory=list)
    conversation: Conversation | None = None
    add_special_tokens: bool = True
    echo: bool = False
    stream: bool = False
    options: GenerationOptions = field(default_factory=GenerationOptions)
    first_index: int = 0
    text_to_text: TextToText | None = None
    suffix: str = ""

    @property
    def sequences(self) -> int:
        """Answers to all prompts together."""
        return max(1, len(self.prompts) + len(self.prompt_token_ids)) * max(1, self.options.n)


@dataclass(slots=True)
class Logprob:
    """A token and the natural logarithm of its probability; the id is -1 where an engine tells texts alone."""

    token_id: int
    text: bytes
    logprob: float


@dataclass(slots=True)
class TokenLogprobs:
    """The log-probabilities at one position: of the token that stands there, and of the likeliest."""

    chosen: Logprob
    top: list[Logprob] = field(default_factory=list)


@dataclass(slots=True)
class ToolCallDelta:
    """A piece of a tool call; `id` and `name` come with its first piece alone."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class GenerateDelta:
    """What one answer has more than before.

    Attributes:
        prompt_index: the position of the prompt; 0 for a conversation.
        index: the number of the answer to it.
        finish_reason: in the last delta of an answer; None in the others.
        stop: the text or the token that ended it; None for the model's own token, or no stop.
        first_prompt_token: the text of the prompt's first token, which has no probability, in the first delta of the
            first answer, where `prompt_logprobs` were asked for.
    """

    prompt_index: int = 0
    index: int = 0
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    stop: str | int | None = None
    first_prompt_token: bytes = b""


@dataclass(slots=True)
class GenerateUsage:
    """What a call took, in tokens; the meaning of each is in `panope.v1.GenerationUsage`."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(slots=True)
class GenerateOutput(Output):
    """A part of the answers. Joined, there is one delta for each answer, whole.

    Attributes:
        usage: of them all, in the last part alone.
        prompt_tokens: in the first part of a stream, where they are known; 0 in all others.
    """

    deltas: list[GenerateDelta]
    usage: GenerateUsage | None = None
    prompt_tokens: int = 0


@dataclass(frozen=True)
class GenerateSpec:
    """What a `generate` model takes and gives.

    Attributes:
        max_positions: tokens of prompt and answer together; 0 when unknown.
        vocab_size: 0 when unknown.
        slots: sequences at once.
        template_kwargs: values that the chat template reads besides messages and tools.
        honoured: fields of a request that the engine honours.
        defaults: a JSON object, from the model's generation_config.json.
        cache_precision: of the keys and values that are kept; empty when unknown.
        cache_tokens: that the cache holds; 0 when unknown.
        max_source_length: tokens of a prompt that an encoder reads; 0 for a model without one.
        languages: that texts may be said to be in.
        ignored_defaults: settings of the model's files that ask for what is not done.
    """

    max_positions: int
    vocab_size: int
    slots: int
    has_chat_template: bool
    has_tools: bool
    has_reasoning: bool
    template_kwargs: tuple[str, ...]
    honoured: frozenset[str]
    defaults: bytes
    eos_token_ids: tuple[int, ...]
    cache_precision: str = ""
    cache_tokens: int = 0
    max_source_length: int = 0
    languages: tuple[str, ...] = ()
    ignored_defaults: tuple[str, ...] = ()
