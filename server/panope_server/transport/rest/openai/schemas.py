"""OpenAI's bodies, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Raw

from panope_server.transport.rest.embedding.options import EmbedOptions
from panope_server.transport.rest.embedding.vectors import Vector


class EmbeddingsBody(EmbedOptions, forbid_unknown_fields=True, kw_only=True):
    """POST /v1/embeddings.

    Attributes:
        input: A text, texts, token ids, lists of token ids, or images.
        user: Whom the caller asks for; goes into the log of the call as `end_user` and nowhere else.
        priority: Only 0, which is what every call has.
        hardware: Backends that may run the call, the most wanted first, or such words as `cuda`; as the header
            `x-panope-hardware`, in a text with commas or a list.
        extra_body: More of the options: what OpenAI's client puts beside the others, some clients send as it is.
    """

    model: Annotated[str, Meta(min_length=1)]
    input: Raw
    user: Annotated[str, Meta(max_length=256)] | None = None
    priority: Literal[0] | None = None
    hardware: str | list[str] | None = None
    extra_body: EmbedOptions | None = None


class EmbeddingJson(TypedDict):
    """A vector and the position of its text."""

    object: Literal["embedding"]
    index: int
    embedding: Vector


class UsageJson(TypedDict):
    """What a call took."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsJson(TypedDict):
    """The answer of POST /v1/embeddings."""

    object: Literal["list"]
    data: list[EmbeddingJson]
    model: str
    usage: UsageJson


class ModelJson(TypedDict):
    """A model in OpenAI's words.

    Attributes:
        created: seconds since 1970.
        alias_of: what the alias that `id` is points to; empty for a model.
        parent: the model that an adapter changes; null for what is none.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    task: str
    state: str
    alias_of: str
    parent: str | None


class ModelsJson(TypedDict):
    """Models by name.

    Attributes:
        has_more: whether `limit` cut the list.
    """

    object: Literal["list"]
    data: list[ModelJson]
    has_more: bool
