"""The answer of a call as an iterator of its parts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from panope_server.pipeline.call import Call
from panope_server.tasks.task import Output

#: Parts that wait for a caller that is slow to read; past it the pipeline waits too, and behind it the worker.
MAX_WAITING_PARTS = 8


class AnswerStream:
    """The parts of one answer; the call runs in a task of its own, which ends with the block.

    Args:
        call: to run; its `output` is this stream until the end.
        run: takes it all the way.
    """

    def __init__(self, call: Call, run: Callable[[Call], Awaitable[None]]) -> None:
        self._call = call
        self._output = call.output  # which comes back at the end, as `pipeline.step` says of sinks
        call.output = self
        self._run = run
        self._parts: deque[Output] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._has_room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begins to run the call."""
        self._task = asyncio.ensure_future(self._whole())
        self._task.add_done_callback(lambda _: self._wake())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancels what still runs, and returns when it has ended."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
        if task is not None and not task.cancelled():
            task.exception()  # told to whoever iterates; a caller that has gone needs it no more
        self._call.output = self._output

    def __aiter__(self) -> Self:
        """The stream is its own iterator."""
        return self

    async def __anext__(self) -> Output:
        """The next part.

        Raises:
            PanopeError: why there are no more parts.
        """
        assert self._task is not None
        while not self._parts:
            if self._task.done():
                self._task.result()
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        self._has_room.set()
        return self._parts.popleft()

    async def put(self, part: Output) -> None:
        """Takes the next part; waits while the caller has not read those before."""
        while len(self._parts) >= MAX_WAITING_PARTS:
            self._has_room.clear()
            await self._has_room.wait()
        self._parts.append(part)
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _whole(self) -> None:
        await self._run(self._call)
