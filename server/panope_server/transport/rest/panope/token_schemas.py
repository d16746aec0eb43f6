"""Tokens of one text, as vLLM's clients ask for them and read them."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta, Raw, Struct, field

from panope_server.transport.generation.conversations import MAX_MESSAGES, MAX_TOOLS
from panope_server.transport.rest.openai.chat.schemas import MessageBody, ToolBody

_Model = Annotated[str, Meta(min_length=1)]
_Id = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]


class TokenizeTextBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/tokenize: either `prompt` or `messages`.

    Attributes:
        prompt: The text.
        messages: A conversation, as the model's chat template writes it.
        tools: The tools that it tells of; with `messages`.
        model: The model's name or an alias; absent for the default model that generates.
        add_special_tokens: Whether to add the tokens that the model puts around a text. Default: true for `prompt`,
            false for `messages`, whose template writes them itself.
        return_token_strs: Whether the tokens are told as texts too.
        chat_template_kwargs: Values for the chat template; with `messages`.
        continue_final_message: Whether the last message, the assistant's, is continued; with `messages`.
        add_generation_prompt: Only the contrary of `continue_final_message`.
    """

    prompt: Annotated[str, Meta(min_length=1)] | None = None
    messages: Annotated[list[MessageBody], Meta(min_length=1, max_length=MAX_MESSAGES)] | None = None
    tools: Annotated[list[ToolBody], Meta(max_length=MAX_TOOLS)] | None = None
    model: _Model | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None
    chat_template_kwargs: Raw = field(default_factory=Raw)
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None


class DetokenizeTextBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/detokenize.

    Attributes:
        tokens: The token ids of a text.
        model: The model's name or an alias; absent for the default model that generates.
        skip_special_tokens: Whether to leave out special tokens.
    """

    tokens: Annotated[list[_Id], Meta(min_length=1)]
    model: _Model | None = None
    skip_special_tokens: bool = False


class TokensJson(TypedDict):
    """The tokens of a text.

    Attributes:
        max_model_len: the most tokens that the model takes; null until it was loaded.
    """

    count: int
    max_model_len: int | None
    tokens: list[int]
    token_strs: NotRequired[list[str]]


class TextJson(TypedDict):
    """The text of tokens."""

    prompt: str
