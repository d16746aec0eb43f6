"""JSON answers of the small HTTP app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import msgspec
from starlette.responses import Response

from panope_backends.errors import PanopeError
from panope_server.transport.errors import field_of, http_status_of, message_of, openai_type_of


class ErrorFieldsJson(TypedDict):
    """What went wrong.

    Attributes:
        type: the kind of error, in OpenAI's words.
        param: the field at fault; null when there is none.
        code: the stable reason.
    """

    message: str
    type: str
    param: str | None
    code: str


class ErrorJson(TypedDict):
    """The body of every error."""

    error: ErrorFieldsJson


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer; dataclasses, times and enums are turned into JSON."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def error_json(message: str, kind: str, code: str, param: str | None = None) -> ErrorJson:
    """The shape of every HTTP error; Envoy passes it on as it is."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(error: PanopeError) -> Response:
    """The answer to a call that failed."""
    body = error_json(message_of(error), openai_type_of(error), error.reason, field_of(error) or None)
    return json_response(body, http_status_of(error))
