"""Whether work is to go on, for code that waits at length and knows nothing of whose work it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Check = Callable[[], None]
"""Returns when work is to go on, and raises what is to end it otherwise."""

_check: ContextVar[Check] = ContextVar("check", default=lambda: None)


@contextmanager
def interruptible(check: Check) -> Iterator[None]:
    """Work in the block, in this thread and in those that copy its context, may be ended by `check`."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def check_interruption() -> None:
    """Goes on, or raises what ends the work; call it several times a second while waiting."""
    _check.get()()
