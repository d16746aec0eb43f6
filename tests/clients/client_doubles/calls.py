"""What the calls of the fake server share: what was asked, and how calls fail, wait and end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import grpc.aio

from panope_backends.errors import PanopeError
from panope_server.transport.errors import code_of, trailers_of

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

#: An error of the server's, or a code, a message and trailing metadata.
Failure: TypeAlias = PanopeError | tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]


@dataclass
class Calls:
    """The state of the fake server.

    Attributes:
        failures: what the next unary calls fail with, in order; then they succeed.
        requests: every request, in order.
        metadata: that of every unary call, in order.
        hold: while cleared, unary calls wait for it after `started` was released once for each.
        cancelled: set when a call was cancelled while it ran.
        polls_until_failed: after so many requests every job has failed.
    """

    failures: list[Failure] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    polls_until_failed: int = 1_000

    def __post_init__(self) -> None:
        self.hold.set()

    async def enter(self, request: Any, context: Context) -> None:
        """Begins a unary call: keeps its request, waits where calls are held, fails where a failure is due."""
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata() or ()))
        self.started.release()
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, PanopeError):
                await context.abort(code_of(failure), failure.message, trailers_of(failure))
            else:
                await context.abort(*failure)
