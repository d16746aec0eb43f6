"""The JSON answers of the façade as types: what its methods give, and what /openapi.json says of them."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from panope_backends.api import Device
from panope_server.transport.http.json import ErrorFieldsJson
from panope_server.transport.job_json import JobJson

Vector = list[float] | str
"""Numbers, or base64 of little-endian 32-bit floats."""


class TextEmbeddingsErrorJson(TypedDict):
    """An error of the routes of Text Embeddings Inference.

    Attributes:
        error: a sentence, or the fields of every error where the edge answered by itself.
    """

    error: str | ErrorFieldsJson
    error_type: NotRequired[Literal["Overloaded", "Validation", "Unhealthy", "Backend"]]


class TokenJson(TypedDict):
    """A token of a text.

    Attributes:
        text: as it is written in the text; of a special token, its name.
        special: whether it was put around the text.
        start: where it starts, in UTF-8 bytes; null for a special token.
        stop: where it ends (exclusive).
    """

    id: int
    text: str
    special: bool
    start: int | None
    stop: int | None


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
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    task: str
    state: str
    alias_of: str


class ModelsJson(TypedDict):
    """Models by name.

    Attributes:
        has_more: whether `limit` cut the list.
    """

    object: Literal["list"]
    data: list[ModelJson]
    has_more: bool


class TensorJson(TypedDict):
    """An output: its `data` is one flat list, its `raw` base64 of the little-endian, row-major elements."""

    name: str
    datatype: str
    shape: list[int]
    data: NotRequired[list[float | bool]]
    raw: NotRequired[str]


class InferJson(TypedDict):
    """The answer of POST /v1/infer/{model}: `outputs` for `inputs`, `value` for `value`."""

    model: str
    outputs: NotRequired[list[TensorJson]]
    value: NotRequired[list[list[float]]]


class DevicesJson(TypedDict):
    """Devices, preferred ones first."""

    devices: list[Device]


class JobsJson(TypedDict):
    """Jobs, newest first.

    Attributes:
        has_more: whether `limit` cut the list.
    """

    jobs: list[JobJson]
    has_more: bool


class AcceptedJson(TypedDict):
    """The job that does what was asked for."""

    job: JobJson


class FileJson(TypedDict):
    """A file of a model.

    Attributes:
        path: relative, with `/`.
        sha256: null while unknown.
        is_local: whether its bytes are in this store.
    """

    path: str
    size_bytes: int
    sha256: str | None
    kind: str
    is_local: bool


class FilesJson(TypedDict):
    """The files of a model."""

    model: str
    files: list[FileJson]


class RemovedJson(TypedDict):
    """A model that is gone, the digests of its variants, and the room that its files gave back."""

    id: str
    object: Literal["model"]
    deleted: Literal[True]
    variants: list[str]
    freed_bytes: int


class AliasJson(TypedDict):
    """Where an alias points.

    Attributes:
        variant: null for the model as a whole.
        version: counts the alias's changes.
        changed_at: in RFC 3339.
    """

    name: str
    model: str
    variant: str | None
    version: int
    changed_at: str


class AliasesJson(TypedDict):
    """Aliases by name."""

    aliases: list[AliasJson]


class AliasEventJson(TypedDict):
    """A change of an alias."""

    version: int
    action: str
    model: str | None
    variant: str | None
    who: str
    reason: str
    at: str


class AliasHistoryJson(TypedDict):
    """An alias and every change of it, the newest first; `model` is null once it was forgotten."""

    name: str
    model: str | None
    variant: str | None
    version: int
    events: list[AliasEventJson]


class ForgottenAliasJson(TypedDict):
    """An alias that is gone."""

    id: str
    object: Literal["alias"]
    deleted: Literal[True]
