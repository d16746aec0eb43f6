"""JSON answers of the small HTTP app."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from panope_backends.errors import PanopeError
from panope_server.transport.error_json import error_json
from panope_server.transport.errors import field_of, headers_of_error, http_status_of, message_of, openai_type_of


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer; dataclasses, times and enums are turned into JSON."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def error_response(error: PanopeError) -> Response:
    """The answer to a call that failed."""
    body = error_json(message_of(error), openai_type_of(error), error.reason, field_of(error) or None)
    return json_response(body, http_status_of(error), headers_of_error(error))
