"""What a server's answers other than 200 mean to a caller here. Its words are for nobody: they may hold anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import time

import msgspec

from panope_backends.errors import AvailabilityError, InvalidInputError, OverloadedError, PanopeError, PreconditionError

UNREACHABLE = "upstream_unreachable"
BUSY = "upstream_busy"
UNAVAILABLE = "upstream_unavailable"
#: Reasons of errors that tell that nothing was done, so that asking again does it once.
NOT_TAKEN = frozenset({UNREACHABLE, BUSY, UNAVAILABLE})

TOO_LONG = "context_length_exceeded"

#: How vLLM, OpenAI, TGI, TEI and Panope say that a prompt is too long, where they have no code for it.
_SAYS_TOO_LONG = re.compile(
    rb"(?i)maximum (?:context|input|model)? ?length|context window|max_total_tokens|tokens`? \+|less than [0-9]+ tokens"
    rb"|the model takes at most"
)

_MAX_WAIT_SECONDS = 86400.0


class _Error(msgspec.Struct):
    param: object = None
    code: object = None


class _Body(msgspec.Struct):
    error: _Error | str | None = None
    param: object = None
    code: object = None


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, fields: Mapping[str, str], prompt: str
) -> PanopeError:
    """The error that an answer is.

    Args:
        status: of HTTP, not 200.
        headers: of the answer, by names in small letters.
        body: of the answer, or its beginning.
        fields: by the names of the request's fields there, what they are called here.
        prompt: the field that holds what is read.
    """
    if status in (400, 413, 422):
        return _of_request(body, fields, prompt)
    if status in (401, 403):
        return PreconditionError(
            "the server that runs the model refuses the key; the setting `remote.api_keys` has it",
            reason="upstream_denied",
        )
    if status in (404, 405):
        return PreconditionError(
            "the server that runs the model has no such model, or does not do this with it", reason="upstream_not_found"
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return OverloadedError(
            "the server that runs the model takes no more requests now",
            reason=BUSY,
            retry_after_seconds=retry_after(headers),
        )
    if 300 <= status < 400:
        return PreconditionError(
            "the server that runs the model redirects, and redirects are not followed", reason="upstream_redirects"
        )
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return AvailabilityError(
            "the server that runs the model is not ready", reason=UNAVAILABLE, retry_after_seconds=retry_after(headers)
        )
    if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        return AvailabilityError("the server that runs the model failed", reason="upstream_failed")
    return PreconditionError("the server that runs the model refuses what it is asked", reason="upstream_refused")


def unreachable() -> AvailabilityError:
    """The error of a server that takes no connection."""
    return AvailabilityError("the server that runs the model cannot be reached", reason=UNREACHABLE)


def untrusted() -> PreconditionError:
    """The error of a server whose certificate no authority that is trusted has given it."""
    return PreconditionError(
        "the certificate of the server that runs the model is not trusted; the setting `remote.ca_file` names those "
        "who are",
        reason="upstream_untrusted",
    )


def broke_off() -> AvailabilityError:
    """The error of an answer that ended before its end."""
    return AvailabilityError("the server that runs the model broke its answer off", reason="upstream_broke_off")


def failed_within() -> AvailabilityError:
    """The error of an answer in whose middle the server tells of an error."""
    return AvailabilityError("the server that runs the model failed within its answer", reason="upstream_failed")


def too_slow() -> AvailabilityError:
    """The error of an answer that does not come."""
    return AvailabilityError("the server that runs the model did not answer in time", reason="upstream_too_slow")


def no_answer() -> AvailabilityError:
    """The error of an answer that is none."""
    return AvailabilityError("the server that runs the model gave an answer that is none", reason="upstream_garbage")


def too_much() -> AvailabilityError:
    """The error of an answer that is longer than any."""
    return AvailabilityError(
        "the server that runs the model gave an answer that is too long", reason="upstream_garbage"
    )


def needs_limit() -> InvalidInputError:
    """The error of a request without `max_tokens` to a server that would end its answer after a few."""
    return InvalidInputError.at(
        "max_tokens", "{field} must be given: the server that runs the model has a short limit of its own"
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """After how many seconds the server takes requests again; None where it does not say."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            return min(float(text) / unit, _MAX_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, until - time()), _MAX_WAIT_SECONDS)


def _of_request(body: bytes, fields: Mapping[str, str], prompt: str) -> PanopeError:
    param, code = _param_and_code(body)
    if code == TOO_LONG or _SAYS_TOO_LONG.search(body):
        return InvalidInputError.at(
            prompt, "{field} is longer than the server that runs the model takes", reason=TOO_LONG
        )
    name = fields.get(re.split(r"[.\[]", param, maxsplit=1)[0]) if isinstance(param, str) else None
    if name is not None:
        return InvalidInputError.at(name, "{field} is refused by the server that runs the model")
    return PreconditionError("the server that runs the model refuses what it is asked", reason="upstream_refused")


def _param_and_code(body: bytes) -> tuple[object, object]:
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None, None
    inner = found.error if isinstance(found.error, _Error) else found
    return inner.param, inner.code
