"""The requests of a stream, as gRPC takes them from the caller's batches.

gRPC swallows an exception of the iterator it reads from and fails the call with words of its own. Here such an
exception ends the stream's requests, the batches before it are still answered, and the caller gets it in the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Generic, TypeVar

from panope_client.errors import InvalidArgumentError

T = TypeVar("T")
Request = TypeVar("Request")


class Source(Generic[T, Request]):
    """Turns batches into requests and remembers how that ended.

    Args:
        batches: the caller's batches; an asynchronous iterable only for `__aiter__`.
        request: makes the request of one batch from its number and the batch.
    """

    def __init__(self, batches: Iterable[T] | AsyncIterable[T], request: Callable[[int, T], Request]) -> None:
        self._batches = batches
        self._request = request
        self._failure: Exception | None = None
        self.count = 0

    def raise_failure(self) -> None:
        """Raises what the caller's batches raised, if they did."""
        if self._failure is not None:
            raise self._failure

    def __iter__(self) -> Iterator[Request]:
        try:
            if not isinstance(self._batches, Iterable):
                raise InvalidArgumentError("`batches` must be an iterable that is not asynchronous", field="batches")
            for batch in self._batches:
                yield self._next(batch)
        except Exception as error:  # whatever the caller's code raises goes back to the caller
            self._failure = error

    async def __aiter__(self) -> AsyncIterator[Request]:
        try:
            if isinstance(self._batches, AsyncIterable):
                async for batch in self._batches:
                    yield self._next(batch)
            else:
                for batch in self._batches:
                    yield self._next(batch)
        except Exception as error:  # whatever the caller's code raises goes back to the caller
            self._failure = error

    def _next(self, batch: T) -> Request:
        request = self._request(self.count, batch)
        self.count += 1
        return request
