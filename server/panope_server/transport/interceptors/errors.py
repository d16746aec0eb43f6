"""The outermost layer of every gRPC method: errors become status, nothing else leaks.

gRPC's own handling sends the text of an unexpected exception to the caller; here the caller gets INTERNAL with the
request id alone, and the log gets the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import structlog
from google.api.httpbody_pb2 import HttpBody

from panope_backends.errors import InternalError, PanopeError, ShuttingDownError
from panope_server.observability.request_id import current, request_id_from
from panope_server.transport.errors import code_of, message_of, trailers_of
from panope_server.transport.interceptors.answer_headers import headers_of, send_headers, unsent_headers
from panope_server.transport.interceptors.context import REQUEST_ID, Context, metadata_of, request_id_of
from panope_server.transport.interceptors.handlers import HandlerInterceptor, Streaming, Unary
from panope_server.transport.running_calls import RunningCalls, refusal

_log = structlog.get_logger("panope.transport")

#: Set by Envoy alone: the caller asks for the headers of an answer, and the rest of it would only be thrown away.
EDGE_HEAD = "x-edge-head"

#: Trailers of a body of which HTTP has had a part. HTTP/1.1 has no status behind a body, so Envoy would end it as whole
#: ones; more trailers than it takes (100) make it cut the connection instead, which every client notices.
_CUT: Sequence[tuple[str, str]] = (("x-panope-cut", "1"),) * 128
_NONE: Sequence[tuple[str, str]] = ()


class ErrorInterceptor(HandlerInterceptor):
    """The outermost of all: gives the call its id, counts it while it runs, and tells what becomes of it."""

    def __init__(self, calls: RunningCalls) -> None:
        super().__init__()
        self._calls = calls

    def around_unary(self, handle: Unary, method: str) -> Unary:
        """Runs the method; its errors become a status."""
        calls = self._calls

        async def run(request: Any, context: Context) -> Any:
            with calls:
                task = _begin(context)
                try:
                    calls.begin_wait(task)
                    try:
                        answer = await handle(request, context)
                    finally:
                        calls.end_wait(task)
                    await send_headers(context)
                    return answer
                except asyncio.CancelledError:
                    if not calls.are_refused:
                        raise
                    await _refuse_for_the_end(context)
                except Exception as error:  # the boundary: whatever it is must not reach the caller as it is
                    await refuse(context, error)

        return run

    def around_streaming(self, handle: Streaming, method: str) -> Streaming:
        """As `around_unary`."""
        calls = self._calls

        async def run(request: Any, context: Context) -> AsyncIterator[Any]:
            with calls:
                task = _begin(context)
                begun, trailers = False, _NONE
                try:
                    only_first = EDGE_HEAD in metadata_of(context)
                    if hasattr(request, "__aiter__"):
                        # Envoy gives a request so long to arrive; one that is a stream has when its answer begins.
                        await send_headers(context, also_none=True)
                    calls.begin_wait(task)
                    async for answer in handle(request, context):
                        calls.end_wait(task)
                        if not begun:
                            await send_headers(context)
                            begun, trailers = True, _CUT if isinstance(answer, HttpBody) else _NONE
                        yield answer
                        if only_first:
                            return
                        calls.begin_wait(task)
                    if hasattr(request, "__aiter__") and calls.streams_end:
                        raise ShuttingDownError("the server is stopping; send what was not answered elsewhere")
                except asyncio.CancelledError:
                    if not calls.are_refused:
                        raise
                    await _refuse_for_the_end(context, trailers)
                except Exception as error:  # the boundary: whatever a method raises is told as a status
                    calls.end_wait(task)
                    await refuse(context, error, trailers)
                finally:
                    calls.end_wait(task)

        return run


async def _refuse_for_the_end(context: Context, also: Sequence[tuple[str, str]] = _NONE) -> None:
    """Ends a call whose task was cancelled because the server ends."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
    await refuse(context, refusal(), also)


def _begin(context: Context) -> asyncio.Task[object]:
    """Gives the call its id, which its log lines and its trailers have too; the task that answers it."""
    headers_of(context)  # from here on, for every task of the call
    current.set(request_id_from(metadata_of(context).get(REQUEST_ID)))
    context.set_trailing_metadata(((REQUEST_ID, current.get()),))
    task = asyncio.current_task()
    assert task is not None  # gRPC starts one for each call
    return task


async def refuse(context: Context, error: Exception, also: Sequence[tuple[str, str]] = _NONE) -> None:
    """Ends a call by the status of an error.

    Args:
        context: of the call.
        error: what ended it.
        also: further trailers.
    """
    if isinstance(error, grpc.aio.AbortError | asyncio.CancelledError):
        raise error
    if not isinstance(error, PanopeError):
        request_id = request_id_of(context)
        _log.error("unexpected_error", request_id=request_id, exc_info=error)
        error = InternalError(f"internal error; the server's log has it under request id {request_id}")
    told = (*unsent_headers(context), *trailers_of(error), (REQUEST_ID, request_id_of(context)), *also)
    await context.abort(code_of(error), message_of(error), told)
