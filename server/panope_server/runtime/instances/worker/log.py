"""What a worker writes to its standard error: passed on to the server's log, the last lines kept.

Libraries below Python write there as they like, such as libtiff a line for each odd field of a caller's file, so that
callers could fill the disk. Of any length of time the log gets some lines, and how many it did not get.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import orjson
import structlog

_log = structlog.get_logger("panope.workers")

KEPT_LINES = 50
MAX_LINE_BYTES = 8192
WINDOW_SECONDS = 10.0
MAX_LINES = 1000
"""Passed on in a window; more than a crash writes, that of a worker with many threads too."""


class WorkerOutput:
    """Reads one worker's standard error to its end.

    Args:
        instance: the name of the worker's instance.
        model: that it runs.
        clock: seconds that only grow.
    """

    def __init__(self, instance: str, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._instance = instance
        self._model = model
        self._clock = clock
        self._window_end = 0.0
        self._lines = 0
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Passes on line by line; a line longer than 8 KiB is cut into pieces."""
        pending = b""
        while data := await stream.read(1 << 16):
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._line(line[:MAX_LINE_BYTES])
            if len(pending) > MAX_LINE_BYTES:
                self._line(pending[:MAX_LINE_BYTES])
                pending = b""
        if pending:
            self._line(pending)
        self._tell_dropped()

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        text = line.decode(errors="replace")
        self.last_lines.append(text)
        if self._clock() >= self._window_end:
            self._tell_dropped()
            self._window_end = self._clock() + WINDOW_SECONDS
        self._lines += 1
        if self._lines <= MAX_LINES:
            _log.info("worker_output", instance=self._instance, model=self._model, **_fields(line, text))

    def _tell_dropped(self) -> None:
        if (dropped := self._lines - MAX_LINES) > 0:
            _log.warning("worker_output_dropped", instance=self._instance, model=self._model, lines=dropped)
        self._lines = 0


def _fields(line: bytes, text: str) -> dict[str, object]:
    """The worker's own JSON under `worker`, any other text under `line`."""
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {"line": text}
    return {"worker": parsed} if isinstance(parsed, dict) else {"line": text}
