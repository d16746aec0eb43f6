"""How an interceptor wraps handlers: each method's once, whether it answers once or as a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

from panope_server.transport.interceptors.context import Context

if TYPE_CHECKING:
    # grpcio's class takes no type arguments when the program runs; its stubs ask for them.
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler

Unary = Callable[[Any, Context], Awaitable[Any]]
"""A method that answers once; its request may be a stream."""

Streaming = Callable[[Any, Context], AsyncIterator[Any]]
"""A method whose answer is a stream."""


class WrappingInterceptor(grpc.aio.ServerInterceptor, ABC):
    """An interceptor that gives gRPC other handlers than it had, each made once."""

    def __init__(self) -> None:
        self._wrapped: dict[str, Handler] = {}

    @abstractmethod
    def wrap(self, handler: Handler, method: str) -> Handler:
        """The handler to use; `method` is such as `/panope.v1.EmbedService/Embed`."""

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
            wrapped = self._wrapped[method] = self.wrap(handler, method)
        return wrapped


class HandlerInterceptor(WrappingInterceptor):
    """An interceptor that runs code around methods, in the task that answers the call."""

    @abstractmethod
    def around_unary(self, handle: Unary, method: str) -> Unary:
        """The method with the interceptor's code around it."""

    @abstractmethod
    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """As `around_unary`."""

    def parser(self, parse: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
        """How requests are read; as they are unless an interceptor says otherwise."""
        return parse

    def wrap(self, handler: Handler, method: str) -> Handler:
        """The handler with the interceptor's code around it."""
        streams = (bool(handler.request_streaming), bool(handler.response_streaming))
        make: Any = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[streams]
        behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        around: Any = self.around_streaming if handler.response_streaming else self.around_unary
        wrapped: Handler = make(
            around(behaviour, method), self.parser(handler.request_deserializer), handler.response_serializer
        )
        return wrapped
