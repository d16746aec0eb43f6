"""One id for each request, the same at the edge, in the server's log, in the worker's log and in the answer."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

#: The id of the call that this task answers; empty outside of calls.
current: ContextVar[str] = ContextVar("request_id", default="")

_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}\Z")


def request_id_from(given: str | None) -> str:
    """The caller's id when it is short printable text that cannot forge a log line; a new one otherwise."""
    return given if given and _SANE.match(given) else uuid.uuid4().hex
