"""Callbacks, and turns of endless loops, that cannot harm whoever calls them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec

import structlog

_log = structlog.get_logger("panope.instances")

P = ParamSpec("P")


def contained(callback: Callable[P, object]) -> Callable[P, None]:
    """The callback, with what it raises logged and no more.

    What tells of events must not end what watches for them: a supervisor, a socket's reader.
    """

    @wraps(callback)
    def guarded(*arguments: P.args, **named: P.kwargs) -> None:
        try:
            callback(*arguments, **named)
        except Exception as error:
            _log.error("callback_failed", callback=getattr(callback, "__name__", ""), exc_info=error)

    return guarded


async def contained_turn(turn: Callable[P, Awaitable[object]], *arguments: P.args, **named: P.kwargs) -> None:
    """One turn of a loop that must go on for as long as the server does, with what it raises logged and no more."""
    try:
        await turn(*arguments, **named)
    except Exception as error:
        _log.error("callback_failed", callback=getattr(turn, "__name__", ""), exc_info=error)
