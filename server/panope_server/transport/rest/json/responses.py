"""The JSON bodies of answers, in `google.api.HttpBody`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from google.api.httpbody_pb2 import HttpBody

from panope_server.transport.interceptors.answer_headers import headers_of
from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.json.requests import JSON

ACCEPTED = "x-panope-accepted"

#: Bytes of one message of a stream; Envoy passes each on at once, and holds none of more than a mebibyte.
PIECE_BYTES = 256 << 10


def accepted_response(value: object, context: Context) -> HttpBody:
    """An answer from plain values, as 202: what was asked for is under way. Envoy turns the header into the status."""
    headers_of(context)[ACCEPTED] = "true"
    return json_response(value)


def json_response(value: object) -> HttpBody:
    """An answer from a schema or plain values."""
    return HttpBody(content_type=JSON, data=msgspec.json.encode(value))


def encoded_response(data: bytes) -> HttpBody:
    """An answer that is JSON already."""
    return HttpBody(content_type=JSON, data=data)


def messages_of(content_type: str, data: bytes) -> Iterator[HttpBody]:
    """The data in messages of a bounded size; none for no data. The kind is told by the first of an answer alone."""
    for start in range(0, len(data), PIECE_BYTES):
        yield HttpBody(content_type=content_type if start == 0 else "", data=data[start : start + PIECE_BYTES])


def in_pieces(answer: HttpBody) -> Iterator[HttpBody]:
    """An answer in messages of a bounded size, for methods whose answers may be streams."""
    return messages_of(answer.content_type, answer.data)
