"""Registering, pulling, pinning and files in JSON."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta, Struct

from panope_server.config.sections.models import KeepAlive
from panope_server.transport.job_json import JobJson

_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_WordOrNone = Annotated[str, Meta(max_length=200)]


class SourceBody(Struct, forbid_unknown_fields=True):
    """Where a model comes from."""

    repo_id: _Word
    provider: Literal["huggingface"] = "huggingface"
    revision: _Word = "main"


class UpstreamBody(Struct, forbid_unknown_fields=True):
    """A model on a server elsewhere.

    Attributes:
        url: Of the API, such as `https://HOST/v1`, of a host that the setting `remote.allowed_hosts` lists.
        protocol: That the server speaks.
        model: As the server calls it; absent for `tgi` and `tei`, whose servers have one.
    """

    url: Annotated[str, Meta(min_length=1, max_length=1000)]
    protocol: Literal["openai", "vllm", "tgi", "tei", "kserve"]
    model: _WordOrNone = ""


class RegisterBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/models/register: a model's two names, or its source, or both.

    Attributes:
        upstream: The server elsewhere that runs the model, which then has two names and no source.
        keep_alive: How long the model stays loaded unused, unless a load or a call says otherwise; a negative time is
            for ever, 0 until a call has ended, and an empty one leaves what was said before.
    """

    model_vendor: _Word | None = None
    model_name: _Word | None = None
    source: SourceBody | None = None
    task_hints: Annotated[list[_Word], Meta(max_length=16)] = []
    preferred_format: _WordOrNone = ""
    preferred_precision: _WordOrNone = ""
    quantization_targets: Annotated[list[_Word], Meta(max_length=16)] = []
    upstream: UpstreamBody | None = None
    base_model: _WordOrNone = ""
    keep_alive: KeepAlive = ""


class UpdateBody(Struct, forbid_unknown_fields=True):
    """The body of PATCH /v1/models/{model}.

    Attributes:
        keep_alive: How long the model stays loaded unused, unless a load or a call says otherwise; a negative time is
            for ever, 0 until a call has ended, and an empty one leaves it to the settings.
    """

    keep_alive: KeepAlive


class PullBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/models/pull."""

    model: _Word
    revision: _Word = "main"
    format: _WordOrNone = ""
    precision: _WordOrNone = ""
    include: Annotated[list[_Word], Meta(max_length=1024)] = []


class BuildBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/models/{model}/variants."""

    format: _Word
    precision: _WordOrNone = ""
    revision: _WordOrNone = ""


class PinBody(Struct, forbid_unknown_fields=True):
    """The body of PUT /v1/models/{model}/pin; without a variant, all that the model has are pinned."""

    variant: _WordOrNone = ""
    reason: Annotated[str, Meta(max_length=1000)] = ""


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
    variant_digests: list[str]
    freed_bytes: int
