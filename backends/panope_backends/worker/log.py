"""The worker's log: one JSON object a line on standard error, which the server passes on.

A few lines of our own, because a logging library costs a third of the time in which a worker starts. No line holds the
text of a request.
"""

from __future__ import annotations

import json
import os
import traceback

from panope_backends.errors import CallerError

STDERR = 2


def info(event: str, **fields: object) -> None:
    """What happened, for the record."""
    _write("info", event, fields)


def warning(event: str, **fields: object) -> None:
    """What is wrong and was dealt with."""
    _write("warning", event, fields)


def error(event: str, exception: BaseException | None = None, /, **fields: object) -> None:
    """What went wrong; the stack of an exception goes along."""
    if exception is not None:
        fields["error"] = type(exception).__name__
        fields["stack"] = "".join(traceback.format_exception(exception))[-6000:]
    _write("error", event, fields)


def failed(event: str, exception: BaseException, /, **fields: object) -> None:
    """What a request came to: no error, and no stack, when the fault is in what its caller sent."""
    if isinstance(exception, CallerError):
        info(event, error=type(exception).__name__, reason=exception.reason, field=exception.field, **fields)
    else:
        error(event, exception, **fields)


def _write(level: str, event: str, fields: dict[str, object]) -> None:
    line = json.dumps({"level": level, "event": event, **fields}, default=str)
    try:
        os.write(STDERR, line.encode() + b"\n")
    except OSError:
        return  # nobody reads the log any more; the end of the socket ends the worker
