"""A function that nobody can leave in the middle, run piece by piece.

A pipeline of diffusers is one call from the prompt to the image. It runs on a thread of its own, which stands still
between two steps; what it keeps for its thread, such as whether gradients are kept, is nobody else's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class StoppedError(BaseException):
    """The function is to end; no Exception, so that nothing within it takes it for an error of its own."""


class Stepwise(Generic[T]):
    """Runs a function up to where it pauses, again and again.

    Args:
        function: is given what it calls to pause.
        name: of the thread.
    """

    def __init__(self, function: Callable[[Callable[[], None]], T], name: str) -> None:
        self._function = function
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._is_closed = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._is_done = False

    def step(self) -> T | None:
        """Runs up to the next pause, or the end: None there, or what the function returned.

        Raises:
            StoppedError: it is closed.
            BaseException: what the function raised.
        """
        if self._is_closed:
            raise StoppedError
        if self._thread.ident is None:
            self._thread.start()
        self._go.release()
        self._stands.acquire()
        if self._error is not None:
            raise self._error
        return self._result

    def close(self) -> None:
        """Ends the function at its next pause, at once where it stands at one; from any thread, more than once."""
        self._is_closed = True
        self._go.release()

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._is_closed:
                self._result = self._function(self._pause)
        except BaseException as error:
            # Raised again where somebody waits for it; its frames hold what the function held.
            self._error = error
        finally:
            self._stands.release()
            del self._function

    def _pause(self) -> None:
        self._stands.release()
        self._go.acquire()
        if self._is_closed:
            raise StoppedError
