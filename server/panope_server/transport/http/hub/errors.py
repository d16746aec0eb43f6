"""Errors as the hub's clients read them: a string in the body, and the headers by which they raise."""

from __future__ import annotations

from typing import TypedDict

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from panope_backends.errors import (
    CapacityError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    PanopeError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from panope_server.transport.errors import code_of, headers_of_error, message_of
from panope_server.transport.http.json import json_response

#: The hub's word for each of our reasons; its clients raise by it.
_CODES = {
    "repo_not_found": "RepoNotFound",
    "revision_not_found": "RevisionNotFound",
    "entry_not_found": "EntryNotFound",
}
_STATUS: tuple[tuple[type[PanopeError], int], ...] = (
    (InvalidInputError, 400),
    (NotFoundError, 404),
    (UnauthenticatedError, 401),
    (PermissionDeniedError, 403),
    (CapacityError, 429),
    (InternalError, 500),
)
_WORDS = {
    404: "there is nothing at this path",
    405: "this path does not take this HTTP method; see the Allow header",
    413: "the body is too large",
    415: "send the body as `application/json` or `application/x-www-form-urlencoded`",
}


class HubErrorJson(TypedDict):
    """The body of an error of the hub."""

    error: str


async def answer_error(_: Request, error: Exception) -> Response:
    """The answer to a call that failed."""
    assert isinstance(error, PanopeError)
    return hub_error_response(error)


def hub_error_response(error: PanopeError) -> Response:
    """An error in the hub's shape."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503)
    code = _CODES.get(error.reason, code_of(error).name)
    return _answer(message_of(error), status, {"x-error-code": code, **headers_of_error(error)})


async def answer_refusal(_: Request, error: Exception) -> Response:
    """The answer to what is no call."""
    assert isinstance(error, HTTPException)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if "allow" in headers:
        headers["allow"] = ", ".join(sorted(headers["allow"].split(", ")))
    return _answer(_WORDS.get(error.status_code, "the request cannot be served"), error.status_code, headers)


def _answer(message: str, status: int, headers: dict[str, str]) -> Response:
    # A header is ASCII; our sentences name what callers sent.
    told = {**headers, "x-error-message": message.encode("ascii", "replace").decode()}
    return json_response(HubErrorJson(error=message), status, told)
