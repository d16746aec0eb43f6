"""Room on the disk that is kept for the database, so that a full disk can be looked at and made room on.

SQLite needs a few pages of the disk even to read. A file beside the database keeps them, and goes before a transaction
that would find none; it comes again when there is room.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

RESERVED_BYTES = 8 << 20
"""Enough for the journal of removing many thousand files."""

LEAST_FREE_BYTES = 2 << 20
"""With less free than that the reserve goes."""

ROOMY_BYTES = 4 * RESERVED_BYTES
"""With so much free it comes again."""


class Reserve:
    """Of one SQLite file. Safe for use by several processes."""

    def __init__(self, database: Path) -> None:
        self._file = database.with_name(f"{database.name}.reserve")

    def keep(self) -> bool:
        """Makes the file unless it is there, or the disk has little room; whether it is there then."""
        with suppress(OSError):
            if self._file.stat().st_size == RESERVED_BYTES:
                return True
        with suppress(OSError):
            if self._free() >= ROOMY_BYTES:
                self._make()
                return True
        return False

    def release_if_needed(self) -> None:
        """Removes the file when the disk is full; cheap to call before each transaction."""
        with suppress(OSError):  # a folder that is not there yet, or that is not ours: the database says what is wrong
            if self._free() < LEAST_FREE_BYTES:
                self._file.unlink(missing_ok=True)

    def _make(self) -> None:
        handle, name = tempfile.mkstemp(prefix=f"{self._file.name}.", dir=self._file.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(RESERVED_BYTES))  # zeros would take no room on file systems that compress
            Path(name).rename(self._file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _free(self) -> int:
        return shutil.disk_usage(self._file.parent).free
