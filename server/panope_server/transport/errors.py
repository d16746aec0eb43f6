"""The one table that turns errors into gRPC status, `google.rpc` details and OpenAI's words.

Each status carries `ErrorInfo` first: its `metadata` holds `type`, `param` and `code`, from which Envoy's response hook
makes `{"error": {message, type, param, code}}`. `BadRequest` names the field, `RetryInfo` the time to wait. Trailing
metadata says the same to clients that read headers: `retry-after-ms`, `retry-after`, `grpc-retry-pushback-ms`, and
`x-should-retry: false` where a retry only repeats the cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from panope_backends import errors as tree
from panope_backends.errors import PanopeError
from panope_server.observability.truncate import cut

DOMAIN = "panope"

#: The detail of an error that has another HTTP status than its gRPC code has at the edge; Envoy's hook goes by it.
HTTP_STATUS = "http_status"

#: First match by class, most specific first: gRPC code and OpenAI's error type.
TABLE: tuple[tuple[type[PanopeError], grpc.StatusCode, str], ...] = (
    (tree.InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT, "invalid_request_error"),
    (tree.NotFoundError, grpc.StatusCode.NOT_FOUND, "invalid_request_error"),
    (tree.AlreadyExistsError, grpc.StatusCode.ALREADY_EXISTS, "invalid_request_error"),
    (tree.PermissionDeniedError, grpc.StatusCode.PERMISSION_DENIED, "permission_error"),
    (tree.UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED, "authentication_error"),
    (tree.PreconditionError, grpc.StatusCode.FAILED_PRECONDITION, "invalid_request_error"),
    (tree.CallerError, grpc.StatusCode.INVALID_ARGUMENT, "invalid_request_error"),
    (tree.QuotaError, grpc.StatusCode.RESOURCE_EXHAUSTED, "insufficient_quota"),
    (tree.CapacityError, grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limit_error"),
    (tree.AvailabilityError, grpc.StatusCode.UNAVAILABLE, "server_error"),
    (tree.DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED, "timeout_error"),
    (tree.DataLossError, grpc.StatusCode.DATA_LOSS, "server_error"),
    (tree.PanopeError, grpc.StatusCode.INTERNAL, "server_error"),
)

#: What Envoy's transcoder makes of each code, for the answers that we give over HTTP ourselves.
STATUSES: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.INTERNAL: 500,
}

#: Trying these again repeats the cost and cannot help, though SDKs retry their HTTP status by default.
NO_RETRY = (
    *(tree.DeadlineError, tree.AlreadyExistsError, tree.DataLossError, tree.InternalError),
    tree.QuotaError,
)

#: What an answer to a call without a good key says of how to come in.
CHALLENGE = {"www-authenticate": "Bearer"}


#: What a caller wrote may stand in a message. Trailers past 8 KiB are dropped or end connections that others share; a
#: character of a message takes up to three times its bytes on the wire, and the details repeat it.
MAX_MESSAGE_BYTES = 900
MAX_WORD_BYTES = 256
MAX_DETAILS = 8


def message_of(error: PanopeError) -> str:
    """The sentence for the caller, cut where it repeats too much of what the caller wrote."""
    return cut(error.message, MAX_MESSAGE_BYTES)


def field_of(error: PanopeError) -> str:
    """The name of the field at fault, empty when none is."""
    return cut(error.field, MAX_WORD_BYTES)


def code_of(error: PanopeError) -> grpc.StatusCode:
    """The gRPC code of an error."""
    return next(code for kind, code, _ in TABLE if isinstance(error, kind))


def http_status_of(error: PanopeError) -> int:
    """The HTTP status of an error."""
    status = error.details.get(HTTP_STATUS)
    return STATUSES[code_of(error)] if status is None else int(status)


def openai_type_of(error: PanopeError) -> str:
    """OpenAI's `type` of an error."""
    return next(openai for kind, _, openai in TABLE if isinstance(error, kind))


def status_of(error: PanopeError) -> status_pb2.Status:
    """The rich status of an error."""
    code: int = code_of(error).value[0]
    details = islice(error.details.items(), MAX_DETAILS)
    more = {cut(key, MAX_WORD_BYTES): cut(value, MAX_WORD_BYTES) for key, value in details}
    words = {**more, "type": openai_type_of(error), "code": error.reason}
    field = field_of(error)
    if field:
        words["param"] = field
    told: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason.upper(), domain=DOMAIN, metadata=words)]
    if field:
        words_of_field = cut(error.message, MAX_WORD_BYTES)
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=words_of_field)
        told.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(_milliseconds(error.retry_after_seconds))
        told.append(retry)
    return status_pb2.Status(code=code, message=message_of(error), details=[_packed(detail) for detail in told])


def trailers_of(error: PanopeError) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata of an error."""
    trailers: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status_of(error).SerializeToString())]
    trailers += headers_of_error(error).items()
    if error.retry_after_seconds is not None:
        trailers.append(("grpc-retry-pushback-ms", str(_milliseconds(error.retry_after_seconds))))
    return tuple(trailers)


def headers_of_error(error: PanopeError) -> dict[str, str]:
    """What an error says in headers of HTTP: when a call may succeed, or that it will not, and how callers come in."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        wait = _milliseconds(error.retry_after_seconds)
        headers |= {"retry-after-ms": str(wait), "retry-after": str(math.ceil(wait / 1000))}
    if isinstance(error, tree.UnauthenticatedError):
        headers |= CHALLENGE
    if isinstance(error, NO_RETRY):
        headers |= {"x-should-retry": "false"}
    return headers


def code_name(error: PanopeError) -> str:
    """The code as metrics and logs write it, such as `NOT_FOUND`."""
    return code_of(error).name


def rpc_code_number(error: PanopeError) -> int:
    """The code as a `google.rpc.Code` value, for errors told inside a stream."""
    number: int = code_pb2.Code.Value(code_of(error).name)
    return number


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
