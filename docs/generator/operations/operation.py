"""What one REST route takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta, Struct

from panope_server.transport.error_json import ErrorJson
from panope_server.transport.paging import MAX_PAGE_SIZE

JSON = "application/json"
BYTES = "application/octet-stream"
FORM = "multipart/form-data"

AZURE: Mapping[str, Any] = {"api-version": str}
"""What OpenAI's client for Azure adds to each path."""

Text = Annotated[str, Meta(max_length=200)]
Cursor = Annotated[int, Meta(ge=0, le=1 << 53)]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)]


@dataclass(frozen=True)
class Operation:
    """What a route takes and gives.

    Attributes:
        answer: the type of the answer's JSON; None for an answer that is no JSON.
        body: the type of the request's body; None for a method without one.
        or_bodies: the types of other bodies that it takes.
        body_media: of the request's body.
        empty: whether the body may only be an empty object.
        query: the types of the query parameters.
        or_answers: the types of the answer's JSON, where `answer` cannot say that it has one of several.
        status: of a good answer.
        media: of a good answer.
        or_media: of good answers of other kinds, which have no schema.
        waits: whether the call runs a model, and honours `x-panope-wait`, `x-panope-priority`, `cache-control` and
            `x-panope-keep-alive`.
        makes_job: whether it is answered by a job that runs a model, and honours `idempotency-key`.
        expires: whether it is about the files of a job, which go when their time is over.
        changes: whether the method may be refused for what is there: 409.
        events: whether the answer may come as server-sent events instead.
        error: the type of the JSON of an error.
        not_ready: the type of the answer's JSON with status 503, where it is not that of every error.
    """

    answer: Any = None
    body: type[Struct] | None = None
    or_bodies: Sequence[type[Struct]] = ()
    body_media: str = JSON
    empty: bool = False
    query: Mapping[str, Any] = field(default_factory=dict)
    or_answers: Sequence[Any] = ()
    status: int = 200
    media: str = JSON
    or_media: Sequence[str] = ()
    waits: bool = False
    makes_job: bool = False
    expires: bool = False
    changes: bool = False
    events: bool = False
    error: type = ErrorJson
    not_ready: Any = None
