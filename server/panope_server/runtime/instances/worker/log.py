"""What a worker writes to its standard error: passed on to the server's log, the last lines kept."""

from __future__ import annotations

import asyncio
from collections import deque

import orjson
import structlog

_log = structlog.get_logger("panope.workers")

KEPT_LINES = 50
MAX_LINE_BYTES = 8192


class WorkerOutput:
    """Reads one worker's standard error to its end."""

    def __init__(self, instance: str, model: str) -> None:
        self._instance = instance
        self._model = model
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

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        text = line.decode(errors="replace")
        self.last_lines.append(text)
        _log.info("worker_output", instance=self._instance, model=self._model, **_fields(line, text))


def _fields(line: bytes, text: str) -> dict[str, object]:
    """The worker's own JSON under `worker`, any other text under `line`."""
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {"line": text}
    return {"worker": parsed} if isinstance(parsed, dict) else {"line": text}
