"""Errors in the shape of Text Generation Inference."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from panope_backends.errors import AvailabilityError, CallerError, CapacityError, InvalidInputError, PanopeError
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.rest.hugging_face.errors import ERROR_TYPE, UNPROCESSABLE

T = TypeVar("T")
P = ParamSpec("P")

#: What that server calls each kind of error, the first that fits.
KINDS: tuple[tuple[type[PanopeError], str], ...] = (
    (CapacityError, "overloaded"),
    (CallerError, "validation"),
    (AvailabilityError, "overloaded"),
    (PanopeError, "generation"),
)


def kind_of(error: PanopeError) -> str:
    """That server's word for a kind of error."""
    return next(name for kind, name in KINDS if isinstance(error, kind))


def in_its_shape(method: Callable[P, AsyncIterator[T]]) -> Callable[P, AsyncIterator[T]]:
    """Has the method's errors told as `{"error", "error_type"}`, with that server's status for a wrong request."""

    @wraps(method)
    async def run(*arguments: P.args, **named: P.kwargs) -> AsyncIterator[T]:
        try:
            async for item in method(*arguments, **named):
                yield item
        except PanopeError as error:
            error.details[ERROR_TYPE] = kind_of(error)
            if isinstance(error, InvalidInputError):
                error.details.setdefault(HTTP_STATUS, str(UNPROCESSABLE))
            raise

    return run
