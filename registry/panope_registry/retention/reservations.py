"""Room that is reserved to what is on its way, so that two who look at once do not count on the same bytes.

A promise is a file that its owner keeps locked; the promise of one who was killed counts no more. It names the files
that are to come, and what has arrived of them is looked up on the disk: so two who bring the same file are reserved
its room once, and nobody writes while bytes arrive.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from panope_registry.download.partial import missing_bytes
from panope_registry.store.store import Store


@dataclass(frozen=True)
class Needs:
    """What is to come.

    Attributes:
        files: the sizes of downloads, by their keys.
        size_bytes: of what has no key: copies, whose bytes are not known before they are here.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    size_bytes: int = 0

    def missing_bytes(self, store: Store) -> int:
        """How much of it has not arrived."""
        return self.size_bytes + sum(missing_bytes(store, key, size) for key, size in self.files.items())

    def __or__(self, other: Needs) -> Needs:
        """Both; a file that both name counts once."""
        return Needs({**self.files, **other.files}, self.size_bytes + other.size_bytes)


class Reservation:
    """Room that is kept for its owner until `end`, or until its process ends."""

    def __init__(self, store: Store, needs: Needs) -> None:
        """To be called within `store.space_lock`."""
        self._store = store
        self._left = needs.size_bytes
        self._path = store.promises / uuid.uuid4().hex
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._write(needs)
        except BaseException:
            self.end()
            raise

    def arrived(self, size_bytes: int) -> None:
        """So many bytes of what has no key are in the store and need their room no longer."""
        self._left = max(0, self._left - size_bytes)
        with self._store.space_lock():
            self._write(Needs(size_bytes=self._left))

    def end(self) -> None:
        """Gives back what has not arrived."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _write(self, needs: Needs) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"files": dict(needs.files), "size_bytes": needs.size_bytes}).encode(), 0)


def reserved(store: Store) -> Needs:
    """All that is reserved to those who live; to be called within `store.space_lock`."""
    together = Needs()
    for path in store.promises.iterdir():
        with suppress(FileNotFoundError):  # it was kept at this moment
            together |= _read(path)
    return together


def _read(path: Path) -> Needs:
    """A promise; nothing, and it goes, when its owner is gone."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # its owner lives; network file systems say the second
        return Needs(**json.loads(path.read_bytes()))
    else:
        path.unlink(missing_ok=True)
        return Needs()
    finally:
        os.close(file)
