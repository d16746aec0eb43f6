"""The innermost layer of every gRPC method: what is no message, or holds texts that are too long, is refused.

gRPC's own handling answers malformed messages with UNKNOWN; here the caller gets INVALID_ARGUMENT.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.message import DecodeError

from panope_backends.errors import InvalidInputError
from panope_server.transport.grpc.running import RunningCalls
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interceptors.handlers import HandlerInterceptor, Streaming, Unary
from panope_server.transport.interceptors.lengths import check_lengths


class _Malformed:
    """Stands in for a message that could not be parsed, so that it is refused when the method is run."""


_MALFORMED = _Malformed()


class RequestInterceptor(HandlerInterceptor):
    """Gives methods requests that are messages within the limits, and streams of them that end when the server does."""

    def __init__(self, calls: RunningCalls) -> None:
        super().__init__()
        self._calls = calls

    def parser(self, parse: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
        """Reads a request, or notes that it cannot be read."""
        if parse is None:
            return None

        def parse_or_note(data: bytes) -> Any:
            try:
                return parse(data)
            except DecodeError:
                return _MALFORMED

        return parse_or_note

    def around_unary(self, handle: Unary, method: str) -> Unary:
        """Checks the request, then runs the method."""

        async def run(request: Any, context: Context) -> Any:
            return await handle(self._checked(request), context)

        return run

    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """As `around_unary`."""

        def run(request: Any, context: Context) -> AsyncIterator[Any]:
            return handle(self._checked(request), context)

        return run

    def _checked(self, request: Any) -> Any:
        if request is _MALFORMED:
            raise _malformed()
        if hasattr(request, "__aiter__"):
            return _checked_stream(self._calls.requests_of(request))
        check_lengths(request)
        return request


def _malformed() -> InvalidInputError:
    return InvalidInputError("the message is not valid protobuf of the method's request type")


async def _checked_stream(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        if request is _MALFORMED:
            raise _malformed()
        # What one request of a stream holds is refused inside the stream, which goes on; its id is all that names it.
        check_lengths(request, nested=False)
        yield request
