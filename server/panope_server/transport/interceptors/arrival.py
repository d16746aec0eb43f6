"""The layer before all others: what is known of a call while its message is still on the way.

gRPC gives a call with one request to its handler when the message is here as a whole, holds what has come of it until
then, and sets no bound: neither on how long that may take nor on how many such messages there are. So methods with one
request are told to gRPC as methods with a stream of them, of which this layer reads the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from panope_backends.errors import DeadlineError, InvalidInputError, OverloadedError, PanopeError
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interceptors.errors import refuse
from panope_server.transport.interceptors.handlers import Handler, WrappingInterceptor

#: As long as Envoy waits for a request.
MAX_SECONDS = 60
#: As many as Envoy takes large bodies at a time.
MAX_SLOW = 32
#: What has not come by the second check is slow: a server that was late itself takes nobody for that.
CHECK_SECONDS = 1.0


class Arrivals:
    """The messages that are on the way, of every port."""

    def __init__(self) -> None:
        self._checks: dict[asyncio.Task[Any], int] = {}
        self._refused: dict[asyncio.Task[Any], PanopeError] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, context: Context) -> Any:
        """Returns the message of a call.

        Raises:
            DeadlineError: it did not come.
            OverloadedError: too many others do not come either.
            InvalidInputError: there is none.
        """
        task = asyncio.current_task()
        assert task is not None
        self._checks[task] = 0
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if (error := self._refused.get(task)) is None:
                raise  # the caller has gone
            task.uncancel()
            raise error from None
        finally:
            del self._checks[task]
            self._refused.pop(task, None)
        if message is grpc.aio.EOF:
            raise InvalidInputError("the call has no message")
        return message

    def _check(self) -> None:
        slow = 0
        for task, checks in self._checks.items():
            self._checks[task] = checks + 1
            slow += checks > 0
            if checks * CHECK_SECONDS >= MAX_SECONDS:
                self._refuse(task, DeadlineError(f"the message did not arrive within {MAX_SECONDS} seconds"))
            elif slow > MAX_SLOW and checks > 0:
                why = f"{MAX_SLOW} messages are on the way for more than a second already"
                self._refuse(task, OverloadedError(why, retry_after_seconds=CHECK_SECONDS))
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check) if self._checks else None

    def _refuse(self, task: asyncio.Task[Any], error: PanopeError) -> None:
        if task not in self._refused:
            self._refused[task] = error
            task.cancel()


class ArrivalInterceptor(WrappingInterceptor):
    """Reads the message of each call that has one.

    Args:
        arrivals: what else is on the way.
    """

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__()
        self._arrivals = arrivals

    def wrap(self, handler: Handler, method: str) -> Handler:
        """The handler of a stream in place of one of a single request."""
        parse, write = handler.request_deserializer, handler.response_serializer
        unary, streaming = handler.unary_unary, handler.unary_stream
        read: Any
        if unary is not None:
            read = self._unary(unary)
            return grpc.stream_unary_rpc_method_handler(read, parse, write)
        if streaming is not None:
            read = self._streaming(streaming)
            return grpc.stream_stream_rpc_method_handler(read, parse, write)
        return handler

    def _unary(self, handle: Any) -> Callable[[Any, Context], Awaitable[Any]]:
        async def run(_: Any, context: Context) -> Any:
            return await handle(await self._message(context), context)

        return run

    def _streaming(self, handle: Any) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def run(_: Any, context: Context) -> AsyncIterator[Any]:
            async for answer in handle(await self._message(context), context):
                yield answer

        return run

    async def _message(self, context: Context) -> Any:
        try:
            return await self._arrivals.read(context)
        except PanopeError as error:
            await refuse(context, error)
