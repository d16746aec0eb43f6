"""gRPC's status, its details and trailing metadata as the client's errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from panope.v1.stream_error_pb2 import StreamError
from panope_client.errors import (
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    PanopeClientError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnavailableError,
)

DOMAIN = "panope"

Metadata = Iterable[tuple[str, str | bytes]]

KINDS: Mapping[grpc.StatusCode, type[PanopeClientError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
}

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

#: gRPC refuses a message over the receiver's limit by itself, with the status of a full queue and these words.
_TOO_LARGE = re.compile(r"(received|sent) message larger than max \((\d+) vs\. (\d+)\)", re.IGNORECASE)
_TOO_LARGE_REASONS = {"received": "request_too_large", "sent": "response_too_large"}


@dataclass(frozen=True, slots=True)
class Details:
    """What `google.rpc` details hold: see the attributes of `PanopeClientError`."""

    reason: str = ""
    field: str = ""
    retry_after_seconds: float | None = None


def error_of(code: grpc.StatusCode, message: str, trailers: Metadata) -> PanopeClientError:
    """Makes the error of a call from its status and trailing metadata."""
    values = dict(trailers)
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    request_id = texts.get("x-request-id", "")
    serialized = values.get("grpc-status-details-bin", b"")
    details = _read_details(serialized if isinstance(serialized, bytes) else b"")
    too_large = _TOO_LARGE.search(message)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and not details.reason and too_large:
        return _too_large(*too_large.groups(), request_id=request_id)
    return KINDS.get(code, PanopeClientError)(
        message,
        code=code,
        reason=details.reason,
        field=details.field,
        retry_after_seconds=_retry_after_seconds(details, texts),
        request_id=request_id,
    )


def error_in_stream(error: StreamError) -> PanopeClientError:
    """Makes the error of one request on a stream."""
    code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
    return KINDS.get(code, PanopeClientError)(error.message, code=code, reason=error.reason, field=error.field)


def not_ready(model: str, timeout: float) -> DeadlineError:
    """Makes the error of a wait for a model, or with no name for the server, that was in vain."""
    subject = f"model `{model}`" if model else "the server"
    return _deadline(f"{subject} did not become ready within {timeout:g} seconds")


def not_ended(job_id: int, timeout: float) -> DeadlineError:
    """Makes the error of a wait for a job's end that was in vain."""
    return _deadline(f"job {job_id} did not end within {timeout:g} seconds")


def _deadline(message: str) -> DeadlineError:
    return DeadlineError(message, code=grpc.StatusCode.DEADLINE_EXCEEDED)


def _too_large(direction: str, size: str, limit: str, *, request_id: str) -> InvalidInputError:
    """The same request never fits, so it is the request that is wrong, not the moment."""
    reason = _TOO_LARGE_REASONS[direction.lower()]
    subject = "request" if reason == "request_too_large" else "response"
    return InvalidInputError(
        f"the {subject} has {int(size):,} bytes, more than the server's limit of {int(limit):,}; send less at a time",
        code=grpc.StatusCode.INVALID_ARGUMENT,
        reason=reason,
        request_id=request_id,
    )


def _read_details(serialized: bytes) -> Details:
    """Reads a serialised `google.rpc.Status`."""
    reason, field, retry_after_seconds = "", "", None
    try:
        for detail in status_pb2.Status.FromString(serialized).details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
                if info.domain == DOMAIN:
                    reason = info.reason.lower()
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                violations = error_details_pb2.BadRequest.FromString(detail.value).field_violations
                field = violations[0].field if violations else field
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                retry_after_seconds = delay.seconds + delay.nanos / 1e9
    except DecodeError:
        return Details()  # not Panope's details: the code and the message still hold
    return Details(reason, field, retry_after_seconds)


def _retry_after_seconds(details: Details, texts: Mapping[str, str]) -> float | None:
    """The server's hint; None without one, or when the server says that a retry only repeats the cost."""
    pushback = texts.get("grpc-retry-pushback-ms", "")
    if texts.get("x-should-retry") == "false" or pushback.startswith("-"):
        return None
    if details.retry_after_seconds is not None:
        return details.retry_after_seconds
    for milliseconds in (pushback, texts.get("retry-after-ms", "")):
        if milliseconds.isdecimal():
            return int(milliseconds) / 1000
    return None
