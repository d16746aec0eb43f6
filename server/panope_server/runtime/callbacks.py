"""Callbacks that cannot harm whoever calls them."""

from __future__ import annotations

from collections.abc import Callable
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
