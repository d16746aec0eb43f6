"""The JSON bodies of answers, in `google.api.HttpBody`."""

from __future__ import annotations

import msgspec
from google.api.httpbody_pb2 import HttpBody

from panope_server.transport.interceptors.context import Context
from panope_server.transport.rest.json.requests import JSON

ACCEPTED = "x-panope-accepted"


async def accepted_response(value: object, context: Context) -> HttpBody:
    """An answer from plain values, as 202: what was asked for is under way. Envoy turns the header into the status."""
    await context.send_initial_metadata(((ACCEPTED, "true"),))
    return json_response(value)


def json_response(value: object) -> HttpBody:
    """An answer from a schema or plain values."""
    return HttpBody(content_type=JSON, data=msgspec.json.encode(value))


def encoded_response(data: bytes) -> HttpBody:
    """An answer that is JSON already."""
    return HttpBody(content_type=JSON, data=data)
