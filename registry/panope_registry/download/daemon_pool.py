"""A pool of threads that a process may leave behind.

Those of an executor are waited for when the process ends, also one that waits for a host that stalls: after Ctrl-C that
would be half a minute.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonPool:
    """Runs so many calls at a time, in the order in which they were submitted; as a context, waits for those that run.

    Args:
        count: of threads at most.
        name: of each.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads: list[threading.Thread] = []
        self._running = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submits a call."""
        future: Future[T] = Future()
        context = contextvars.copy_context()  # with it, whether the work is to go on (`interruption`)
        with self._lock:
            self._waiting.append((future, lambda: context.run(call, *args, **kwargs)))
            if self._running < self._count:
                self._running += 1
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        return future

    def cancel(self) -> None:
        """Cancels the calls that wait."""
        with self._lock:
            while self._waiting:
                self._waiting.popleft()[0].cancel()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running -= 1
                    return
                future, call = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # as an executor does: the future raises it
                    future.set_exception(error)
                else:
                    future.set_result(result)
                del future, call
