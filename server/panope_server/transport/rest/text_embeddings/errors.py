"""Errors in TEI's shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from panope_backends.errors import AvailabilityError, CallerError, CapacityError, InvalidInputError, PanopeError
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.rest.hugging_face.errors import ERROR_TYPE, UNPROCESSABLE

T = TypeVar("T")
P = ParamSpec("P")

#: What TEI calls each kind of error, the first that fits.
KINDS: tuple[tuple[type[PanopeError], str], ...] = (
    (CapacityError, "Overloaded"),
    (CallerError, "Validation"),
    (AvailabilityError, "Unhealthy"),
    (PanopeError, "Backend"),
)


def in_its_shape(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Has the method's errors told as `{"error", "error_type"}`, with TEI's status for what it calls validation."""

    @wraps(method)
    async def run(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await method(*arguments, **named)
        except PanopeError as error:
            error.details[ERROR_TYPE] = next(name for kind, name in KINDS if isinstance(error, kind))
            if isinstance(error, InvalidInputError):
                error.details.setdefault(HTTP_STATUS, str(UNPROCESSABLE))
            raise

    return run
