"""Lines on standard error, JSON for programs or columns for a person at a terminal; in files, if wanted, as JSON.

Names of events are snake_case and stable. No line holds the text of a prompt, and values of keys that hold secrets are
replaced. Values and lines that are too long, for callers choose what they send, are cut. When the reader of the log is
too slow, lines are dropped and counted instead of kept in memory.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

from panope_server.observability.log_writer import MAX_LINE_BYTES, LogWriter, Stream
from panope_server.observability.truncate import cut

SECRET_KEYS = frozenset({"authorization", "x-api-key", "api_key", "cookie", "token", "password", "database_url"})
MAX_VALUE_BYTES = 2_000
MAX_STACK_BYTES = 16_000

_ALWAYS_KEPT = ("time", "level", "event", "request_id", "model", "instance")

_EXCEPTION = structlog.processors.ExceptionRenderer()

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logging(
    level: str, form: str = "json", stream: Stream | None = None, file: Stream | None = None
) -> LogWriter:
    """Sets up structlog for the process.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `json`, `console`, or `auto` for the console's form when standard error is a terminal.
        stream: where lines go; standard error by default.
        file: where they go too, as JSON; nowhere by default.
    """
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    writer = LogWriter(stream or sys.stderr.buffer)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *(_columns(file) if for_people else _json_lines(file)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    atexit.register(writer.close)
    return writer


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces the values of keys that hold secrets."""
    if not SECRET_KEYS.isdisjoint(event):
        for key in SECRET_KEYS & event.keys():
            event[key] = "[redacted]"
    return event


def shorten(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cuts values that are too long."""
    for key, value in event.items():
        if isinstance(value, str) and len(value) * 4 > MAX_VALUE_BYTES:
            event[key] = cut(value, MAX_STACK_BYTES if key == "exception" else MAX_VALUE_BYTES)
    return event


def _json_lines(file: Stream | None) -> list[Processor]:
    """Writes each line to the file too, as it is."""
    if file is None:
        return [_json_line]
    writer = LogWriter(file)
    atexit.register(writer.close)

    def written(_: Any, __: str, line: Any) -> Any:
        writer.write(line)
        return line

    return [_json_line, written]


def _columns(file: Stream | None) -> list[Processor]:
    from structlog.dev import ConsoleRenderer, plain_traceback

    # Prettier tracebacks show the values of variables, which may be prompts, and take minutes for a long message.
    columns = ConsoleRenderer(timestamp_key="time", pad_event_to=20, exception_formatter=plain_traceback)
    copied = [] if file is None else [_copied_to(file)]
    return [redact, *copied, _EXCEPTION, shorten, columns]


def _copied_to(file: Stream) -> Processor:
    """Writes a line to the file as JSON, and lets the event go on as it is."""
    writer = LogWriter(file)
    atexit.register(writer.close)

    def copy(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        writer.write(_json_line(logger, name, dict(event)))
        return event

    return copy


def _json_line(logger: Any, name: str, event: MutableMapping[str, Any]) -> bytes:
    """The event as a line. One step for all that is done to it: a call of the log is made for every call."""
    event = redact(logger, name, event)
    if "exc_info" in event:
        event = _EXCEPTION(logger, name, event)
    return _json(shorten(logger, name, event))


def _json(event: MutableMapping[str, Any]) -> bytes:
    line = orjson.dumps(event, default=str)
    if len(line) <= MAX_LINE_BYTES:
        return line
    # Lists and objects are not cut one by one: what is told is which they were.
    short = {key: value for key, value in event.items() if key in _ALWAYS_KEPT}
    return orjson.dumps({**short, "cut_bytes": len(line), "cut_keys": [*event.keys() - short.keys()][:20]}, default=str)
