"""One run that several calls wait for: a flight, with the parts of its answer as a log that each reads by itself.

A flight is a task of its own, so that no call's end is another's: it goes on as long as one call reads it. The parts
stay until its end, for whoever joins late; the run waits while even the fastest reader is behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Generic, Self, TypeVar

#: Parts that wait for the fastest reader.
MAX_AHEAD = 8

T = TypeVar("T")


class FlightError(Exception):
    """A flight has failed; `error` is why."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Flight(Generic[T]):
    """One run; it begins at once.

    Args:
        run: runs to the end and puts parts on the way.
        on_end: called when it has ended, however that was.
        items: that it finds out.
        priority: of the call that runs it.
    """

    def __init__(
        self,
        run: Callable[[Flight[T]], Awaitable[None]],
        on_end: Callable[[], None] = lambda: None,
        *,
        items: int = 1,
        priority: int = 0,
    ) -> None:
        self.items, self.priority = items, priority
        self._run = run
        self._on_end = on_end
        self._log: list[T] = []
        self._readers: list[Reader[T]] = []
        self._error: BaseException | None = None
        self._is_over = False
        self._changed = asyncio.Event()
        self._was_read = asyncio.Event()
        self._task = asyncio.ensure_future(self._whole())
        # A task that is cancelled before its first turn runs nothing, not even what it would do at its end.
        self._task.add_done_callback(lambda _: self._end())

    async def put(self, part: T) -> None:
        """Adds a part; waits while nobody has read those before."""
        self._log.append(part)
        self._wake()
        while self._readers and len(self._log) - max(reader.position for reader in self._readers) >= MAX_AHEAD:
            self._was_read.clear()
            await self._was_read.wait()

    def reader(self) -> Reader[T]:
        """Another reader, from the first part on; the flight is given up when the last one has gone."""
        return Reader(self)

    async def part_at(self, position: int) -> T | None:
        """The part at a position; None when there are no more, FlightError when there will be none."""
        while position >= len(self._log):
            if self._error is not None:
                raise FlightError(self._error)
            if self._is_over:
                return None
            await self._changed.wait()
        return self._log[position]

    def join(self, reader: Reader[T]) -> None:
        """Counts a reader."""
        self._readers.append(reader)

    def was_read(self) -> None:
        """A reader has read on."""
        self._was_read.set()

    def leave(self, reader: Reader[T]) -> None:
        """Counts a reader no more; without one nobody needs the rest, and nobody joins what is given up."""
        self._readers.remove(reader)
        self._was_read.set()
        if not self._readers and not self._is_over:
            self._error = asyncio.CancelledError()
            self._task.cancel()
            self._end()

    async def _whole(self) -> None:
        try:
            await self._run(self)
        except BaseException as error:
            self._error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._end()

    def _end(self) -> None:
        """Tells of the end, which may have begun before the run's own; once."""
        if not self._is_over:
            self._is_over = True
            self._on_end()
            self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Reader(Generic[T]):
    """Reads a flight, as a context.

    Attributes:
        position: how many parts it has read.
    """

    def __init__(self, flight: Flight[T]) -> None:
        self._flight = flight
        self.position = 0

    def __enter__(self) -> Self:
        """Counts among the readers from here on."""
        self._flight.join(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Reads no more."""
        self._flight.leave(self)

    async def next(self) -> T | None:
        """The next part; None after the last.

        Raises:
            FlightError: there are no more, because the run has failed.
        """
        part = await self._flight.part_at(self.position)
        if part is not None:
            self.position += 1
            self._flight.was_read()
        return part


class Flights(Generic[T]):
    """The flights that others may join, by the keys of what they find out."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def get(self, key: bytes) -> Flight[T] | None:
        """The flight that finds this out; None when there is none."""
        return self._by_key.get(key)

    def forget(self) -> None:
        """Lets nobody join those that are under way; their readers read on."""
        self._by_key.clear()

    def start(self, keys: Iterable[bytes], run: Callable[[Flight[T]], Awaitable[None]], priority: int = 0) -> Flight[T]:
        """Begins a flight that others may join until its end."""
        own = tuple(keys)

        def end() -> None:
            for key in own:
                if self._by_key.get(key) is flight:
                    del self._by_key[key]

        flight = Flight(run, end, items=len(own), priority=priority)
        self._by_key.update(dict.fromkeys(own, flight))
        return flight
