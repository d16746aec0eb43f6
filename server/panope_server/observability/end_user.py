"""Whom a caller asks for, as its request says: in the log of the call, and where calls of one user belong together."""

from __future__ import annotations

import structlog

_NAME = "end_user"


def note_end_user(user: str | None) -> None:
    """Says whom the call that this task answers is for; nothing for nobody."""
    if user:
        structlog.contextvars.bind_contextvars(**{_NAME: user})


def current_end_user() -> str:
    """Whom the call that this task answers is for; empty for nobody known."""
    return str(structlog.contextvars.get_contextvars().get(_NAME, ""))
