"""The parts of one answer, between the worker's socket and the call that waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from panope_backends.errors import InternalError, PanopeError

#: Parts that wait for a slow reader before the worker is asked to pause, and those that are left when it may go on.
PAUSE_PARTS = 64
RESUME_PARTS = 16

#: What a worker that was asked to pause may still send; past it the answer fails.
MAX_PARTS = 1024


class PartStream:
    """Parts in order, with one end; written by the instance that has the call, read by one task.

    Attributes:
        flow: is told whether the worker must pause; None until an instance has the call.
        siblings: streams that end with an error when this one does.
    """

    __slots__ = ("__weakref__", "_ended", "_error", "_parts", "_paused", "_waiter", "flow", "siblings")

    def __init__(self) -> None:
        self.flow: Callable[[bool], None] | None = None
        self.siblings: Sequence[PartStream] = ()
        self._parts: deque[bytes] = deque()
        self._ended = False
        self._error: PanopeError | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether no more parts come after those that are here."""
        return self._ended

    @property
    def is_over(self) -> bool:
        """Whether nothing more is wanted: it has ended, or its reader has gone."""
        return self._ended or (self._waiter is not None and self._waiter.cancelled())

    def put(self, data: bytes) -> None:
        """Adds a part."""
        if self._ended:
            return
        self._parts.append(data)
        if len(self._parts) > MAX_PARTS:
            self._parts.clear()
            self.end(InternalError("the model's worker sent more of an answer than its caller reads"))
        elif len(self._parts) >= PAUSE_PARTS and not self._paused:
            self._pause(True)
        self._wake()

    def end(self, error: PanopeError | None = None) -> None:
        """Ends the answer, with an error or well; the parts before stay to be read."""
        if not self._ended:
            self._ended, self._error = True, error
            self._wake()
            if error is not None:
                for sibling in self.siblings:
                    sibling.end(error)

    def __aiter__(self) -> Self:
        """The stream is its own iterator."""
        return self

    async def __anext__(self) -> bytes:
        """The next part.

        Raises:
            PanopeError: why there are no more.
        """
        while (data := self.take()) is None:
            if self._ended:
                raise StopAsyncIteration
            await self.changed()
        return data

    def take(self) -> bytes | None:
        """The next part if it is here, else None; for readers who would rather not pay for an iterator.

        Raises:
            PanopeError: why there are no more.
        """
        if not self._parts:
            if self._error is not None:
                raise self._error
            return None
        data = self._parts.popleft()
        if self._paused and len(self._parts) <= RESUME_PARTS:
            self._pause(False)
        return data

    def changed(self) -> asyncio.Future[None]:
        """Is done when there is another part, or the end."""
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        if self.flow is not None:
            self.flow(paused)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
