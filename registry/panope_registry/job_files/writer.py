"""A file of a job while it is written: hashed on the way, whole under its name or not there."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from panope_registry.store.files import disk_errors, sync_folder

PART = ".part"
"""What the name of a file ends with that is not whole."""


class FileWriter:
    """Takes a file piece by piece.

    What is left of it when the block ends without `finish` is removed. Every method raises CapacityError (`disk_full`)
    when the disk is full.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.size_bytes = 0
        self._path = folder / name
        self._part = folder / f"{name}{PART}"
        self._digest = hashlib.sha256()
        with disk_errors(name):
            self._stream = self._part.open("wb", buffering=0)

    @property
    def sha256(self) -> str:
        """Of what was written."""
        return self._digest.hexdigest()

    def write(self, content: bytes) -> None:
        """Appends a piece."""
        with disk_errors(self.name):
            left = memoryview(content)
            while left:
                left = left[self._stream.write(left) :]
        self._digest.update(content)
        self.size_bytes += len(content)

    def finish(self) -> None:
        """Gives the file its name, safe on disk."""
        with disk_errors(self.name):
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._part.replace(self._path)
            sync_folder(self._path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)
