"""The innermost layer of every gRPC method: what is no message, is too large, or holds texts that are too long.

gRPC's own handling answers malformed messages with UNKNOWN, and large ones with RESOURCE_EXHAUSTED, which says that the
same call can succeed later; here the caller gets INVALID_ARGUMENT.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from panope_backends.errors import InvalidInputError
from panope_server.transport.errors import HTTP_STATUS
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interceptors.handlers import HandlerInterceptor, Streaming, Unary
from panope_server.transport.interceptors.lengths import check_lengths, is_envelope
from panope_server.transport.running_calls import RunningCalls

TOO_LARGE = 413

#: A message of the façade holds a body, which may be as large as any message, and what stands around it.
HEADROOM_BYTES = 1 << 16


@dataclass(frozen=True)
class _Refused:
    """Stands in for a message that was not parsed, so that it is refused when the method is run."""

    error: InvalidInputError


class RequestInterceptor(HandlerInterceptor):
    """Gives methods requests that are messages within the limits, and streams of them that end when the server does.

    Args:
        calls: says when streams end.
        max_message_bytes: of one message, as it was sent.
    """

    def __init__(self, calls: RunningCalls, max_message_bytes: int) -> None:
        super().__init__()
        self._calls = calls
        self._max_message_bytes = max_message_bytes

    def parser(self, parse: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
        """Reads a request, or notes that it cannot be read."""
        if parse is None:
            return None

        def parse_or_note(data: bytes) -> Any:
            if len(data) > self._max_message_bytes + HEADROOM_BYTES:
                return _Refused(self._too_large(len(data)))
            try:
                return parse(data)
            except DecodeError:
                return _Refused(InvalidInputError("the message is not valid protobuf of the method's request type"))

        return parse_or_note

    def around_unary(self, handle: Unary, method: str) -> Unary:
        """Checks the request, then runs the method."""

        def run(request: Any, context: Context) -> Awaitable[Any]:
            return handle(self._checked(request), context)

        return run

    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """As `around_unary`."""

        def run(request: Any, context: Context) -> AsyncIterator[Any]:
            return handle(self._checked(request), context)

        return run

    def _checked(self, request: Any) -> Any:
        if isinstance(request, _Refused):
            raise request.error
        if hasattr(request, "__aiter__"):
            return _checked_stream(self._calls.requests_of(request))
        check_lengths(request)
        return request

    def _too_large(self, size: int) -> InvalidInputError:
        return InvalidInputError(
            f"the message has {size:,} bytes; the limit is {self._max_message_bytes:,} (`limits.max_message_bytes`)",
            reason="request_too_large",
            details={HTTP_STATUS: str(TOO_LARGE)},
        )


async def _checked_stream(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        if isinstance(request, _Refused):
            raise request.error
        # An envelope, and what it holds, are refused inside the stream, which goes on: `transport.grpc.streams`.
        if not is_envelope(request):
            check_lengths(request)
        yield request
