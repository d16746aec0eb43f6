"""The outermost layer of every gRPC method: errors become status, nothing else leaks.

gRPC's own handling sends the text of an unexpected exception to the caller and answers malformed messages with UNKNOWN;
here the caller gets INTERNAL with the request id alone and INVALID_ARGUMENT, and the log gets the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from panope_backends.errors import InternalError, InvalidInputError, PanopeError, ShuttingDownError
from panope_server.observability.request_id import current, request_id_from
from panope_server.transport.errors import code_of, message_of, trailers_of
from panope_server.transport.grpc.running import RunningCalls
from panope_server.transport.interceptors.context import REQUEST_ID, Context, metadata_of, request_id_of
from panope_server.transport.interceptors.lengths import check_lengths

_log = structlog.get_logger("panope.transport")

if TYPE_CHECKING:
    # grpcio's class takes no type arguments when the program runs; its stubs ask for them.
    Handler = grpc.RpcMethodHandler[Any, Any]
#: Set by Envoy alone: the caller asks for the headers of an answer, and the rest of it would only be thrown away.
EDGE_HEAD = "x-edge-head"

Behaviour = Callable[[Any, Context], Any]


class _Malformed:
    """Stands in for a message that could not be parsed, so that the handler can refuse it with the right code."""


_MALFORMED = _Malformed()


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler, each once."""

    def __init__(self, calls: RunningCalls) -> None:
        self._calls = calls
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Gives gRPC the wrapped handler; None stays None, which is UNIMPLEMENTED."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = _wrap(handler, self._calls)
        return wrapped


def _wrap(handler: Handler, calls: RunningCalls) -> Handler:
    deserialize = _forgiving(handler.request_deserializer)
    serialize = handler.response_serializer
    streams = (bool(handler.request_streaming), bool(handler.response_streaming))
    make: Any = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[streams]
    behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    guarded = _streaming(behaviour, calls) if handler.response_streaming else _unary(behaviour, calls)
    wrapped: Handler = make(guarded, deserialize, serialize)
    return wrapped


def _forgiving(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if deserialize is None:
        return None

    def parse(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _MALFORMED

    return parse


def _unary(behaviour: Behaviour, calls: RunningCalls) -> Behaviour:
    async def handle(request: Any, context: Context) -> Any:
        with calls:
            _begin(context)
            try:
                return await behaviour(_checked(request, calls), context)
            except Exception as error:  # the boundary: whatever it is must not reach the caller as it is
                await _refuse(context, error)

    return handle


def _streaming(behaviour: Behaviour, calls: RunningCalls) -> Behaviour:
    async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
        with calls:
            _begin(context)
            try:
                only_first = EDGE_HEAD in metadata_of(context)
                if hasattr(request, "__aiter__"):
                    # Envoy gives a request so long to arrive; one that is a stream has when its answer begins.
                    await context.send_initial_metadata(())
                async for answer in behaviour(_checked(request, calls), context):
                    yield answer
                    if only_first:
                        return
                if hasattr(request, "__aiter__") and calls.streams_end:
                    raise ShuttingDownError("the server is stopping; send what was not answered elsewhere")
            except Exception as error:  # the boundary, as above
                await _refuse(context, error)

    return handle


def _checked(request: Any, calls: RunningCalls) -> Any:
    if request is _MALFORMED:
        raise _malformed()
    if hasattr(request, "__aiter__"):
        return _checked_stream(calls.requests_of(request))
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


def _begin(context: Context) -> None:
    """Gives the call its id, which its log lines and its trailers have too."""
    current.set(request_id_from(metadata_of(context).get(REQUEST_ID)))
    context.set_trailing_metadata(((REQUEST_ID, current.get()),))


async def _refuse(context: Context, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError | asyncio.CancelledError):
        raise error
    if not isinstance(error, PanopeError):
        request_id = request_id_of(context)
        _log.error("unexpected_error", request_id=request_id, exc_info=error)
        error = InternalError(f"internal error; the server's log has it under request id {request_id}")
    await context.abort(code_of(error), message_of(error), (*trailers_of(error), (REQUEST_ID, request_id_of(context))))
