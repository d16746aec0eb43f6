"""Reservations of space for what is on its way, so that two writers never count on the same bytes.

A reservation is a file that its owner keeps locked; that of a killed process counts no more. It names the files that
are to come, and what has arrived of them is looked up on the disk: two processes that download the same file reserve
its space once, and nobody writes while bytes arrive.
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
from panope_registry.store.file_locks import try_lock
from panope_registry.store.store import Store


@dataclass(frozen=True)
class SpaceNeeds:
    """The bytes that are to come.

    Attributes:
        files: the sizes of downloads, by their keys.
        size_bytes: of what has no key: copies, whose bytes are not known before they are here.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    size_bytes: int = 0

    def missing_bytes(self, store: Store) -> int:
        """Returns how many of the bytes have not arrived."""
        return self.size_bytes + sum(missing_bytes(store, key, size) for key, size in self.files.items())

    def __or__(self, other: SpaceNeeds) -> SpaceNeeds:
        """Adds two needs; a file that both name counts once."""
        return SpaceNeeds({**self.files, **other.files}, self.size_bytes + other.size_bytes)


class Reservation:
    """Space that is reserved for its owner until `end`, or until its process ends."""

    def __init__(self, store: Store, needs: SpaceNeeds) -> None:
        """Reserves the space; to be called within `store.space_lock`."""
        self._store = store
        self._left = needs.size_bytes
        self._path = store.reservations / uuid.uuid4().hex
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._write(needs)
        except BaseException:
            self.end()
            raise

    def release(self, size_bytes: int) -> None:
        """Gives back so many of the bytes that have no key: they are in the store now."""
        self._left = max(0, self._left - size_bytes)
        with self._store.space_lock():
            self._write(SpaceNeeds(size_bytes=self._left))

    def end(self) -> None:
        """Gives back what has not arrived."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def _write(self, needs: SpaceNeeds) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({"files": dict(needs.files), "size_bytes": needs.size_bytes}).encode(), 0)


def reserved(store: Store) -> SpaceNeeds:
    """Adds up the reservations of living processes; to be called within `store.space_lock`."""
    total = SpaceNeeds()
    for path in store.reservations.iterdir():
        with suppress(FileNotFoundError):  # its owner has just ended it
            total |= _read(path)
    return total


def _read(path: Path) -> SpaceNeeds:
    """Reads a reservation; removes one whose owner is gone, which then needs nothing."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if not try_lock(file, shared=True):  # its owner lives
            return SpaceNeeds(**json.loads(path.read_bytes()))
        path.unlink(missing_ok=True)
        return SpaceNeeds()
    finally:
        os.close(file)
