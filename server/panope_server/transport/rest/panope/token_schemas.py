"""Tokens of one text, as vLLM's clients ask for them and read them."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta, Struct

from panope_server.transport.rest.json.refusals import Refusal, Refusals

_Model = Annotated[str, Meta(min_length=1)]
_Id = Annotated[int, Meta(ge=0, le=(1 << 31) - 1)]

REFUSALS = Refusals(
    {"messages": Refusal("is refused: send `prompt`; an answer to a chat tells in `usage` how many tokens it had")}
)


class TokenizeTextBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/tokenize.

    Attributes:
        prompt: The text.
        model: The model's name or an alias; absent for the default model that generates.
        add_special_tokens: Whether to add the tokens that the model puts around a text.
        return_token_strs: Whether the tokens are told as texts too.
    """

    prompt: Annotated[str, Meta(min_length=1)]
    model: _Model | None = None
    add_special_tokens: bool = True
    return_token_strs: bool | None = None


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
