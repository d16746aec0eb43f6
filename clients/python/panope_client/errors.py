"""What a call can fail with, as one tree.

    PanopeClientError
    ├── InvalidInputError   the request is wrong; `field` names the part at fault
    ├── NotFoundError       no such model
    ├── PreconditionError   right call, but the state or the machine is not
    ├── OverloadedError     a queue is full; `retry_after` says when to come back
    ├── UnavailableError    no server, or nothing that can serve the call now
    ├── DeadlineError       the time given to the call was up
    └── AnswerError         the server's answer is not what its protocol promises

Everything else, such as a damaged file or a defect of the server, is a plain `PanopeClientError`; `code` tells which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from panope.v1.stream_error_pb2 import StreamError

DOMAIN = "panope"

Metadata = Iterable[tuple[str, str | bytes]]


class PanopeClientError(Exception):
    """A call failed.

    Attributes:
        code: the gRPC status code.
        message: the server's sentence for a person.
        reason: a stable word for programs, such as `model_not_found`; empty when the server gave none.
        field: the request field at fault, such as `texts[3]`; empty when none is.
        retry_after: seconds after which the server expects the same call to succeed; None when it gave no hint.
        request_id: the call's id in the server's log; empty when the server gave none.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        field: str = "",
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.field = field
        self.retry_after = retry_after
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code.name.lower()})"


class InvalidInputError(PanopeClientError):
    """The request is wrong; `field` names the part at fault."""


class NotFoundError(PanopeClientError):
    """What the request names does not exist."""


class PreconditionError(PanopeClientError):
    """The request is right, but the server's state or machine is not."""


class OverloadedError(PanopeClientError):
    """There is no room now; `retry_after` says when to come back."""


class UnavailableError(PanopeClientError):
    """No server answers, or none of its instances can serve now."""


class DeadlineError(PanopeClientError):
    """The time given to the call was up."""


class AnswerError(PanopeClientError):
    """The server's answer is not what its protocol promises; client and server are of different kinds."""


BY_CODE: Mapping[grpc.StatusCode, type[PanopeClientError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidInputError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
}

_BY_NUMBER: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def error_of(code: grpc.StatusCode, message: str, trailers: Metadata) -> PanopeClientError:
    """Makes the error of a call from its status and trailing metadata."""
    values = dict(trailers)
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    details = values.get("grpc-status-details-bin", b"")
    reason, field, retry_after = _read_details(details if isinstance(details, bytes) else b"")
    if _forbids_retry(texts):
        retry_after = None
    elif retry_after is None:
        retry_after = _retry_after(texts)
    return BY_CODE.get(code, PanopeClientError)(
        message,
        code=code,
        reason=reason,
        field=field,
        retry_after=retry_after,
        request_id=texts.get("x-request-id", ""),
    )


def error_in_stream(error: StreamError) -> PanopeClientError:
    """Makes the error of one request on a stream."""
    code = _BY_NUMBER.get(error.code, grpc.StatusCode.UNKNOWN)
    return BY_CODE.get(code, PanopeClientError)(error.message, code=code, reason=error.reason, field=error.field)


def not_ready(model: str, timeout: float) -> DeadlineError:
    """Makes the error of a wait for a model, or with no name for the server, that was in vain."""
    who = f"model `{model}`" if model else "the server"
    message = f"{who} did not become ready within {timeout:g} seconds"
    return DeadlineError(message, code=grpc.StatusCode.DEADLINE_EXCEEDED)


def not_ended(job_id: int, timeout: float) -> DeadlineError:
    """Makes the error of a wait for a job's end that was in vain."""
    message = f"job {job_id} did not end within {timeout:g} seconds"
    return DeadlineError(message, code=grpc.StatusCode.DEADLINE_EXCEEDED)


def _read_details(data: bytes) -> tuple[str, str, float | None]:
    """Reads reason, field and seconds to wait from a serialised `google.rpc.Status`."""
    reason, field, retry_after = "", "", None
    try:
        status = status_pb2.Status.FromString(data)
        for detail in status.details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
                if info.domain == DOMAIN:
                    reason = info.reason.lower()
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                violations = error_details_pb2.BadRequest.FromString(detail.value).field_violations
                field = violations[0].field if violations else field
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                retry_after = delay.seconds + delay.nanos / 1e9
    except DecodeError:
        return "", "", None  # not Panope's details: the code and the message still hold
    return reason, field, retry_after


def _forbids_retry(texts: Mapping[str, str]) -> bool:
    return texts.get("x-should-retry") == "false" or texts.get("grpc-retry-pushback-ms", "").startswith("-")


def _retry_after(texts: Mapping[str, str]) -> float | None:
    for key in ("grpc-retry-pushback-ms", "retry-after-ms"):
        if texts.get(key, "").isdecimal():
            return int(texts[key]) / 1000
    return None
