"""Lines on standard error, JSON for programs or columns for a person at a terminal; in files, if wanted, as JSON.

They are written by a thread of their own, so that a full pipe never stops the event loop.
Names of events are snake_case and stable. No line holds the text of a prompt, and values of keys that hold secrets are
replaced. Values and lines that are too long, for callers choose what they send, are cut. When the reader of the log is
too slow, lines are dropped and counted instead of kept in memory.
"""

from __future__ import annotations

import atexit
import queue
import sys
import threading
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

import orjson
import structlog
from structlog.typing import Processor

from panope_server.observability.truncate import cut

SECRET_KEYS = frozenset({"authorization", "x-api-key", "api_key", "cookie", "token", "password", "database_url"})
MAX_PENDING_LINES = 10_000
MAX_PENDING_BYTES = 16 << 20
MAX_VALUE_BYTES = 2_000
MAX_STACK_BYTES = 16_000
MAX_LINE_BYTES = 32_000

_ALWAYS_KEPT = ("time", "level", "event", "request_id", "model", "instance")

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Stream(Protocol):
    """What lines are written to."""

    def write(self, data: bytes, /) -> object:
        """Takes a line with its end."""

    def flush(self) -> object:
        """Hands over what was written."""


class LogWriter:
    """Writes lines to a stream from a daemon thread."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # One more place, for the end.
        self._lines: queue.Queue[bytes | None] = queue.Queue(MAX_PENDING_LINES + 1)
        self._lock = threading.Lock()
        self._pending_bytes = 0
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, line: str | bytes) -> None:
        """Hands over one line without its end; never waits for the stream."""
        data = line.encode(errors="replace") if isinstance(line, str) else line
        data = data[:MAX_LINE_BYTES]
        with self._lock:
            if self._pending_bytes + len(data) > MAX_PENDING_BYTES or self._lines.qsize() >= MAX_PENDING_LINES:
                self._dropped += 1
                return
            self._pending_bytes += len(data)
            self._lines.put_nowait(data)

    # structlog calls the method named after the level.
    debug = info = warning = error = critical = exception = msg = write

    def close(self) -> None:
        """Writes what is pending, for at most two seconds."""
        self._lines.put(None)
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            with self._lock:
                self._pending_bytes -= len(line)
            try:
                self._stream.write(line + b"\n")
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._stream.write(orjson.dumps({"event": "log_lines_dropped", "count": dropped}) + b"\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                return  # the reader of the log is gone; the server goes on without


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
            redact,
            shorten,
            *(_copied_to(LogWriter(file)) if file is not None else ()),
            *(_columns() if for_people else _json_lines()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    atexit.register(writer.close)
    return writer


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces the values of keys that hold secrets."""
    for key in SECRET_KEYS & event.keys():
        event[key] = "[redacted]"
    return event


def shorten(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cuts values that are too long."""
    for key, value in event.items():
        if isinstance(value, str) and len(value) * 4 > MAX_VALUE_BYTES:
            event[key] = cut(value, MAX_STACK_BYTES if key == "exception" else MAX_VALUE_BYTES)
    return event


def _copied_to(writer: LogWriter) -> list[Processor]:
    """Writes a line as JSON, and lets the event go on as it is."""
    atexit.register(writer.close)

    def copy(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line: Any = dict(event)
        for processor in _json_lines():
            line = processor(logger, name, line)
        writer.write(line)
        return event

    return [copy]


def _json_lines() -> list[Processor]:
    return [structlog.processors.ExceptionRenderer(), shorten, structlog.processors.JSONRenderer(serializer=_json)]


def _columns() -> list[Processor]:
    from structlog.dev import ConsoleRenderer, plain_traceback

    # Prettier tracebacks show the values of variables, which may be prompts, and take minutes for a long message.
    columns = ConsoleRenderer(timestamp_key="time", pad_event_to=20, exception_formatter=plain_traceback)
    return [structlog.processors.ExceptionRenderer(), shorten, columns]


def _json(event: Any, default: Callable[[Any], Any] | None = None, **_: Any) -> bytes:
    line = orjson.dumps(event, default=default or str)
    if len(line) <= MAX_LINE_BYTES:
        return line
    # Lists and objects are not cut one by one: what is told is which they were.
    short = {key: value for key, value in event.items() if key in _ALWAYS_KEPT}
    return orjson.dumps({**short, "cut_bytes": len(line), "cut_keys": [*event.keys() - short.keys()][:20]}, default=str)
