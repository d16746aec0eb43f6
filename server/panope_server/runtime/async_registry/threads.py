"""Threads for questions to the registry, apart from all others: a database that hangs delays nothing but them.

Nothing ends a call into a database driver whose server has stopped, so such a thread may be lost for as long as that
lasts. Only these few can be, whoever asks is told so after a while, and none of them holds up the end of the process.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from panope_backends.errors import AvailabilityError

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
ANSWER_SECONDS = 30.0
"""As long as SQLite waits for its one writer."""

STUCK_SECONDS = 5.0
"""While every thread has been busy for so long, new questions are refused at once."""

FILE_THREADS = 4

ACCESS_THREADS = 3
ACCESS_SECONDS = 5.0
"""What calls wait for their key or their limits while the database hangs."""


class RegistryThreads:
    """A few daemon threads that run blocking calls.

    Args:
        name: of the threads.
        count: how many.
        answer_seconds: after which a caller is told that there is no answer; None for calls that read files, which may
            take long, and never refuse.
    """

    def __init__(self, name: str, count: int = THREADS, answer_seconds: float | None = ANSWER_SECONDS) -> None:
        self._name = name
        self._count = count
        self._answer_seconds = answer_seconds
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._started = 0
        self._busy_since: dict[int, float] = {}

    async def run(self, function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Runs a blocking call.

        Raises:
            AvailabilityError: the database did not answer in time, or answers nobody now; whether a write happens all
                the same is open.
        """
        if self._answer_seconds is not None and self._is_stuck():
            raise _no_answer()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()
        work = partial(context.run, partial(function, *arguments, **named))
        self._calls.put(partial(_run, loop, answer, work))
        self._start_one()
        try:
            async with asyncio.timeout(self._answer_seconds):
                return await answer
        except TimeoutError:
            if answer.cancelled():
                raise _no_answer() from None
            raise  # the call's own

    def _is_stuck(self) -> bool:
        late = time.monotonic() - STUCK_SECONDS
        busy = list(self._busy_since.values())
        return len(busy) == self._count and max(busy) < late

    def _start_one(self) -> None:
        """One more thread for each call until there are all; they stay."""
        if self._started < self._count:
            number = self._started
            self._started += 1
            threading.Thread(target=self._work, args=(number,), name=f"{self._name}-{number}", daemon=True).start()

    def _work(self, number: int) -> None:
        while True:
            call = self._calls.get()
            self._busy_since[number] = time.monotonic()
            call()
            del call  # it holds the call's arguments
            self._busy_since.pop(number)


def _run(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], work: Callable[[], Any]) -> None:
    if answer.cancelled():  # whoever asked is gone
        return
    try:
        value = work()
    except BaseException as error:  # for whoever asked, as it is
        _tell(loop, answer, partial(answer.set_exception, error))
    else:
        _tell(loop, answer, partial(answer.set_result, value))


def _tell(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], tell: Callable[[], None]) -> None:
    def tell_whoever_waits() -> None:
        if not answer.done():
            tell()

    if not loop.is_closed():
        loop.call_soon_threadsafe(tell_whoever_waits)


def _no_answer() -> AvailabilityError:
    return AvailabilityError(
        "the registry's database does not answer", reason="database_unavailable", retry_after_seconds=1.0
    )


_QUESTIONS = RegistryThreads("registry")
_ACCESS = RegistryThreads("access", ACCESS_THREADS, answer_seconds=ACCESS_SECONDS)
_FILES = RegistryThreads("registry-files", FILE_THREADS, answer_seconds=None)


async def call_registry(function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Asks the registry something that its database answers in moments; as `RegistryThreads.run`."""
    return await _QUESTIONS.run(function, *arguments, **named)


async def call_access(function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Asks the registry who a caller is and what it may have: calls wait for it, and must not for other questions."""
    return await _ACCESS.run(function, *arguments, **named)


async def call_store(function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Asks the registry something for which it reads or writes files, for as long as that takes."""
    return await _FILES.run(function, *arguments, **named)
