"""Writes the lines of a log in a thread of its own, so that a full pipe never stops the event loop.

The lines of a moment go out in one write. A thread that woke for each line of a busy server would take the interpreter
from the event loop a thousand times a second.
"""

from __future__ import annotations

import threading
from typing import Protocol

import orjson

MAX_PENDING_LINES = 10_000
MAX_PENDING_BYTES = 16 << 20
MAX_LINE_BYTES = 32_000

#: How long lines are gathered after a write.
PAUSE_SECONDS = 0.02


class Stream(Protocol):
    """What lines are written to."""

    def write(self, data: bytes, /) -> object:
        """Takes lines with their ends."""

    def flush(self) -> object:
        """Hands over what was written."""


class LogWriter:
    """Writes lines to a stream from a daemon thread."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._unwritten_lines = 0
        self._unwritten_bytes = 0
        self._dropped = 0
        self._has_lines = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, line: str | bytes) -> None:
        """Hands over one line without its end; never waits for the stream."""
        data = line.encode(errors="replace") if isinstance(line, str) else line
        data = data[:MAX_LINE_BYTES]
        with self._lock:
            if self._unwritten_bytes + len(data) > MAX_PENDING_BYTES or self._unwritten_lines >= MAX_PENDING_LINES:
                self._dropped += 1
                return
            self._unwritten_lines += 1
            self._unwritten_bytes += len(data)
            self._lines.append(data)
            is_first = len(self._lines) == 1
        if is_first:
            self._has_lines.set()

    # structlog calls the method named after the level.
    debug = info = warning = error = critical = exception = msg = write

    def close(self) -> None:
        """Writes what is pending, for at most two seconds."""
        self._closing.set()
        self._has_lines.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            self._has_lines.wait()
            is_last = self._closing.is_set()
            try:
                self._write_all()
            except (OSError, ValueError):
                return  # the reader of the log is gone; the server goes on without
            if is_last:
                return
            self._closing.wait(PAUSE_SECONDS)

    def _write_all(self) -> None:
        self._has_lines.clear()
        with self._lock:
            lines, self._lines = self._lines, []
            dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(orjson.dumps({"event": "log_lines_dropped", "count": dropped}))
        if not lines:
            return
        self._stream.write(b"\n".join(lines) + b"\n")
        self._stream.flush()
        with self._lock:
            self._unwritten_lines = len(self._lines)
            self._unwritten_bytes = sum(map(len, self._lines))
