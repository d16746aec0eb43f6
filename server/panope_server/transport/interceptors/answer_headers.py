"""Headers of an answer: what is told beside it, such as whether it came from the cache.

They are gRPC's initial metadata, which Envoy makes HTTP headers of, so they go before the first message of an answer.
Whoever knows a fact adds it; the outermost layer sends all of them at once.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    # grpcio's class takes no type arguments when the program runs; its stubs ask for them.
    Context = grpc.aio.ServicerContext[Any, Any]
else:
    Context = grpc.aio.ServicerContext


@dataclass(slots=True)
class _Headers:
    """Those of one call."""

    context: Context
    values: dict[str, str] = field(default_factory=dict)
    are_sent: bool = False


_current: ContextVar[_Headers | None] = ContextVar("answer_headers", default=None)


def headers_of(context: Context) -> dict[str, str]:
    """The headers of a call's answer, by their names in lower case; what is added before its first message is sent."""
    return _of(context).values


async def send_headers(context: Context, *, also_none: bool = False) -> None:
    """Sends the headers, unless that was done.

    Args:
        context: of the call.
        also_none: whether the answer is to begin even where there are no headers.
    """
    headers = _of(context)
    if headers.are_sent or not (headers.values or also_none):
        return
    headers.are_sent = True
    await context.send_initial_metadata(tuple(headers.values.items()))


def unsent_headers(context: Context) -> tuple[tuple[str, str], ...]:
    """The headers that no message went before, which the status of an error carries."""
    headers = _of(context)
    return () if headers.are_sent else tuple(headers.values.items())


def _of(context: Context) -> _Headers:
    """Those of the call that this task answers; tasks that it starts share them."""
    headers = _current.get()
    if headers is None or headers.context is not context:
        headers = _Headers(context)
        _current.set(headers)
    return headers
