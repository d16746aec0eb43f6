# Generated from panope_client/aio/streams.py by clients/python/generate.py; do not edit.
"""How the responses of a stream are read, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from panope_client.errors import InvalidResponseError
from panope_client.sources import Source
from panope_client.sync.concurrency import RpcError, failure_of


class Cancellable(Protocol):
    """A call that runs."""

    def cancel(self) -> object:
        """Ends it."""


class Reading:
    """What was read of a stream.

    Attributes:
        is_told: whether it was anything.
    """

    def __init__(self) -> None:
        self.is_told = False


@contextmanager
def reading(call: Cancellable, source: Source[Any, Any] | None = None) -> Iterator[Reading]:
    """Ends a call with the block that reads it, and raises the client's errors for gRPC's.

    Args:
        call: whose responses are read.
        source: of its requests, whose own failure comes before the call's; None for one request.

    Raises:
        InvalidResponseError: the stream ended without a response.
        PanopeClientError: the call failed.
    """
    read = Reading()
    try:
        yield read
    except RpcError as error:
        if source is not None:
            source.raise_failure()
        raise failure_of(error) from error
    finally:
        call.cancel()
    if source is not None:
        source.raise_failure()
    if not read.is_told:
        raise InvalidResponseError("the stream ended without an answer")
