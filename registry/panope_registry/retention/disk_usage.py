"""What lies in the store's folder, whatever the database says."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from panope_registry.store.store import Store

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DiskUsage:
    """The bytes in the store's folder; a file with several names counts once, where it is first found."""

    blob_bytes: int
    partial_bytes: int
    quarantine_bytes: int
    checkout_bytes: int
    trash_bytes: int
    free_bytes: int

    @property
    def total_bytes(self) -> int:
        """The sum of all but the free bytes."""
        return self.blob_bytes + self.partial_bytes + self.quarantine_bytes + self.checkout_bytes + self.trash_bytes


def measure(store: Store) -> DiskUsage:
    """Measures every file of the store."""
    seen: set[tuple[int, int]] = set()
    blobs = _size_of(store.blobs, seen)
    quarantine = _size_of(store.quarantine, seen)
    trash = _size_of(store.trash, seen)
    checkouts = _size_of(store.checkouts, seen)
    for note in (store.reservations, store.folder / "id"):
        _size_of(note, seen)  # of who is here, and nobody's file
    everything = _size_of(store.folder, seen)  # what is left: staging folders and partial downloads
    return DiskUsage(blobs, everything, quarantine, checkouts, trash, shutil.disk_usage(store.folder).free)


def blob_files(store: Store) -> Iterator[tuple[str, os.stat_result]]:
    """Yields sha256 and status of every file that lies where a blob does."""
    for folder, _ in listed(store.blobs):
        for path, status in listed(folder):
            if _SHA256.fullmatch(path.name) and path.name.startswith(folder.name):
                yield path.name, status


def listed(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yields what is in a folder, by name; what goes away meanwhile is left out, as is the folder."""
    with suppress(FileNotFoundError):
        for path in sorted(folder.iterdir()):
            with suppress(FileNotFoundError):
                yield path, path.lstat()


def size_of(path: Path) -> int:
    """Returns the bytes that go with a file or folder; 0 for names of bytes that have others."""
    return sum(status.st_size for status in _files(path) if status.st_nlink == 1)


def _size_of(folder: Path, seen: set[tuple[int, int]]) -> int:
    size = 0
    for status in _files(folder):
        identity = (status.st_dev, status.st_ino)
        if identity not in seen:
            seen.add(identity)
            size += status.st_size
    return size


def _files(path: Path) -> Iterator[os.stat_result]:
    """Yields the status of a file, or of all files below a folder; those that go away meanwhile are left out."""
    if not path.is_dir():
        with suppress(FileNotFoundError):
            yield path.lstat()
        return
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(folder, name).lstat()
