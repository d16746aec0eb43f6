"""The JSON body of every HTTP error."""

from __future__ import annotations

from typing import TypedDict


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


def error_json(message: str, kind: str, code: str, param: str | None = None) -> ErrorJson:
    """The shape of every HTTP error; Envoy passes it on as it is."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
