"""JSON answers of the small HTTP app."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer; dataclasses, times and enums are turned into JSON."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def error_json(message: str, kind: str, code: str, param: str | None = None) -> dict[str, object]:
    """The shape of every HTTP error; Envoy passes it on as it is."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
