"""The layer before all others: what is known of a call while its message is still on the way.

gRPC gives a call with one request to its handler when the message is here as a whole, holds what has come of it until
then, and sets no bound: neither on how long that may take nor on how many such messages there are. So methods with one
request are told to gRPC as methods with a stream of them, of which this layer reads the first.

Of a stream gRPC takes the next message, too, whether it is read or not, and tells nothing of it until it is here as a
whole: a stream that is silent between two messages, and one of which half a message came, look the same. But what they
all hold stands in what the process has in use, and is given back when they end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc
import structlog

from panope_backends.errors import DeadlineError, InvalidInputError, OverloadedError, PanopeError
from panope_server.observability.memory import used_bytes
from panope_server.transport.interceptors.context import Context
from panope_server.transport.interceptors.errors import refuse
from panope_server.transport.interceptors.handlers import Handler, WrappingInterceptor
from panope_server.transport.interceptors.streams import Stream, short_of_memory, silent_streams

_log = structlog.get_logger("panope.transport")

#: As long as Envoy waits for a request.
MAX_SECONDS = 60
#: As many as Envoy takes large bodies at a time.
MAX_SLOW = 32
CHECK_SECONDS = 0.25
#: What has not come by so many checks is slow, about a second: a server that was late itself takes nobody for that. So
#: long what a call holds may take to be given back, too.
SLOW_CHECKS = 4


class Arrivals:
    """The messages that are on the way, and the calls with a stream of them, of every port.

    Args:
        max_used_bytes: memory of the process past which calls end whose messages do not come.
        max_message_bytes: about what each of them may hold.
        used: tells the memory in use; its argument is `max_used_bytes`.
    """

    def __init__(self, max_used_bytes: int, max_message_bytes: int, used: Callable[[int], int] = used_bytes) -> None:
        self._max_used_bytes = max_used_bytes
        self._max_message_bytes = max_message_bytes
        self._used = used
        self._checks: dict[asyncio.Task[Any], int] = {}
        self._refused: dict[asyncio.Task[Any], PanopeError] = {}
        self._streams: set[Stream] = set()
        self._ended: deque[int] = deque(maxlen=SLOW_CHECKS)  # for want of memory, at the last checks
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, context: Context) -> Any:
        """Returns the message of a call.

        Raises:
            DeadlineError: it did not come.
            OverloadedError: too many others do not come either, or memory is short.
            InvalidInputError: there is none.
        """
        task = asyncio.current_task()
        assert task is not None
        self._checks[task] = 0
        self._begin()
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

    @contextmanager
    def open(self, peer: str) -> Iterator[Stream]:
        """Counts the call with a stream that the current task answers; `peer` is its connection.

        Raises:
            OverloadedError: it was silent while memory was short.
        """
        task = asyncio.current_task()
        assert task is not None
        stream = Stream(task, peer)
        self._streams.add(stream)
        self._begin()
        try:
            yield stream
        except asyncio.CancelledError:
            if not stream.is_ended:
                raise  # the caller has gone
            task.uncancel()
            raise short_of_memory() from None
        finally:
            self._streams.discard(stream)

    def _begin(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        slow = 0
        for task, checks in self._checks.items():
            self._checks[task] = checks + 1
            slow += checks >= SLOW_CHECKS
            if checks * CHECK_SECONDS >= MAX_SECONDS:
                self._refuse(task, DeadlineError(f"the message did not arrive within {MAX_SECONDS} seconds"))
            elif slow > MAX_SLOW and checks >= SLOW_CHECKS:
                why = f"{MAX_SLOW} messages are on the way for more than a second already"
                self._refuse(task, OverloadedError(why, retry_after_seconds=1.0))
        for stream in self._streams:
            stream.checks += 1
        self._relieve()
        goes_on = self._checks or self._streams
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check) if goes_on else None

    def _relieve(self) -> None:
        """Ends calls while memory is short: at each check as many as must end at least, with those that do already."""
        over = self._used(self._max_used_bytes) - self._max_used_bytes - sum(self._ended) * self._max_message_bytes
        count = 1 + over // self._max_message_bytes if over > 0 else 0
        streams = silent_streams(self._streams, SLOW_CHECKS, count)
        for stream in streams:
            stream.end()
        slow = [task for task, checks in self._checks.items() if checks > SLOW_CHECKS and task not in self._refused]
        messages = slow[: max(0, count - len(streams))]
        for task in messages:
            self._refuse(task, short_of_memory())
        self._ended.append(len(streams) + len(messages))
        if self._ended[-1]:
            _log.warning("silent_calls_ended", streams=len(streams), messages=len(messages))

    def _refuse(self, task: asyncio.Task[Any], error: PanopeError) -> None:
        if task not in self._refused:
            self._refused[task] = error
            task.cancel()


class ArrivalInterceptor(WrappingInterceptor):
    """Reads the message of each call that has one, and counts the calls that have a stream of them.

    Args:
        arrivals: what else is on the way.
    """

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__()
        self._arrivals = arrivals

    def wrap(self, handler: Handler, method: str) -> Handler:
        """The handler of a stream in place of one of a single request."""
        parse, write = handler.request_deserializer, handler.response_serializer
        read: Any
        if handler.unary_unary is not None:
            read = self._unary(handler.unary_unary)
            return grpc.stream_unary_rpc_method_handler(read, parse, write)
        if handler.unary_stream is not None:
            read = self._streaming(handler.unary_stream)
            return grpc.stream_stream_rpc_method_handler(read, parse, write)
        if handler.stream_stream is not None:
            read = self._counted(handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(read, parse, write)
        return handler  # a stream to one answer, of which there is none

    def _unary(self, handle: Any) -> Callable[[Any, Context], Awaitable[Any]]:
        async def run(_: Any, context: Context) -> Any:
            return await handle(await self._message(context), context)

        return run

    def _streaming(self, handle: Any) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def run(_: Any, context: Context) -> AsyncIterator[Any]:
            async for answer in handle(await self._message(context), context):
                yield answer

        return run

    def _counted(self, handle: Any) -> Callable[[Any, Context], AsyncIterator[Any]]:
        async def run(requests: Any, context: Context) -> AsyncIterator[Any]:
            try:
                with self._arrivals.open(context.peer()) as stream:
                    async with aclosing(handle(stream.messages(requests), context)) as answers:
                        async for answer in answers:
                            stream.answer()
                            yield answer
                            stream.answered()
            except OverloadedError as error:
                await refuse(context, error)

        return run

    async def _message(self, context: Context) -> Any:
        try:
            return await self._arrivals.read(context)
        except PanopeError as error:
            await refuse(context, error)
