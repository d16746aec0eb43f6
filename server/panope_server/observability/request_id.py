"""One id for each request, the same at the edge, in the server's log, in the worker's log and in the answer."""

from __future__ import annotations

import random
import re
from contextvars import ContextVar

#: The id of the call that this task answers; empty outside of calls.
current: ContextVar[str] = ContextVar("request_id", default="")

#: Ids tell calls apart and guard nothing, so they are not worth a call of the kernel each.
_RANDOM = random.Random()  # noqa: S311  # ids are no secrets

_SANE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}\Z")


def request_id_from(given: str | None) -> str:
    """The caller's id when it is short printable text that cannot forge a log line; a new one otherwise."""
    return given if given and _SANE.match(given) else f"{_RANDOM.getrandbits(128):032x}"
