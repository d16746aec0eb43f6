"""A log in files: when one is full, it is numbered and a new one begun; the oldest is deleted."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path


class LogFile:
    """Takes lines as a stream does. A disk that is full costs lines and nothing else.

    Args:
        path: of the newest file; older ones are `PATH.1`, `PATH.2` and so on.
        max_bytes: of one file.
        kept: how many files there are at most, at least one.
    """

    def __init__(self, path: Path, *, max_bytes: int, kept: int) -> None:
        # With no older file to keep, the handler would let the one file grow: one older file is the least.
        self._handler = _Quiet(path, maxBytes=max_bytes, backupCount=max(1, kept - 1), encoding="utf-8", delay=True)

    def write(self, data: bytes, /) -> None:
        """Takes lines with their ends."""
        for line in data.splitlines():
            self._handler.emit(logging.makeLogRecord({"msg": line.decode(errors="replace")}))

    def flush(self) -> None:
        """Hands over what was written."""
        self._handler.flush()

    def close(self) -> None:
        """Closes the newest file; the next line would open it again."""
        self._handler.close()


def log_file(path: Path, *, max_bytes: int, kept: int) -> LogFile | None:
    """The log of that name; None when none is to be kept."""
    if kept == 0:
        return None
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LogFile(path, max_bytes=max_bytes, kept=kept)


class _Quiet(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Goes on: a log that cannot be written must not stop what it tells of."""
