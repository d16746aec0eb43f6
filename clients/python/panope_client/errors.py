"""What a call can fail with, as one tree.

    PanopeClientError
    ├── InvalidInputError           the request is wrong; `field` names the part at fault
    │   └── InvalidArgumentError    the client saw it and made no call; a TypeError and a ValueError too
    ├── NotFoundError               no such model
    ├── UnauthenticatedError        no API key, or none that is good
    ├── PermissionDeniedError       the key may not do this
    ├── PreconditionError           right call, but the state or the machine is not
    ├── OverloadedError             a queue is full; `retry_after_seconds` says when to come back
    ├── UnavailableError            no server, or nothing that can serve the call now
    ├── DeadlineError               the call's time was up
    └── InvalidResponseError        the server's response breaks its protocol

Everything else, such as a damaged file or a defect of the server, is a plain `PanopeClientError`; `code` tells which.
"""

from __future__ import annotations

import grpc


class PanopeClientError(Exception):
    """A call failed.

    Attributes:
        code: the gRPC status code.
        message: a sentence for a person, the server's where it gave one.
        reason: a stable word for programs, such as `model_not_found`; empty when the server gave none.
        field: the request field or the argument at fault, such as `texts[3]`; empty when none is.
        retry_after_seconds: when the server expects the same call to succeed; None when it gave no hint.
        request_id: the call's id in the server's log; empty when the server gave none.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        field: str = "",
        retry_after_seconds: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.field = field
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} ({self.reason or self.code.name.lower()})"


class InvalidInputError(PanopeClientError):
    """The request is wrong; `field` names the part at fault."""


class InvalidArgumentError(InvalidInputError, TypeError, ValueError):
    """An argument is wrong; the client saw it and made no call. `field` names the argument."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message, code=grpc.StatusCode.INVALID_ARGUMENT, field=field)


class NotFoundError(PanopeClientError):
    """What the request names does not exist."""


class UnauthenticatedError(PanopeClientError):
    """The call came without an API key, or with one that is not good; the server does not say which."""


class PermissionDeniedError(PanopeClientError):
    """The key may not do this."""


class PreconditionError(PanopeClientError):
    """The request is right, but the server's state or machine is not."""


class OverloadedError(PanopeClientError):
    """There is no room now; `retry_after_seconds` says when to come back."""


class UnavailableError(PanopeClientError):
    """No server answers, or none of its instances can serve now."""


class DeadlineError(PanopeClientError):
    """The call's time was up."""


class InvalidResponseError(PanopeClientError):
    """The server's response breaks its protocol: client and server do not belong together."""
