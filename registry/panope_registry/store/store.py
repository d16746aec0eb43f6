"""The content-addressed store: every file once, under its sha256, never changed.

    store/
    ├── id                          names this store among the machines that share a database
    ├── blobs/sha256/ab/abcdef…     the files, mode 0444
    ├── checkouts/<variant digest>/… folders of variants, made of second names of blobs (`checkout`)
    ├── quarantine/                 blobs whose bytes no longer fit their name
    ├── trash/                      what nothing needs any more, on its way out (`panope_registry.retention`)
    ├── removal.lock                held by who removes blobs, and for a moment by who begins to count on one
    ├── downloads/                  beginnings of files that come from elsewhere (`panope_registry.download`)
    ├── reservations/               the space reserved for what is on its way (`panope_registry.retention`)
    ├── job_files/                  what callers' jobs take and make, for a while (`panope_registry.job_files`)
    ├── space.lock                  held by whoever checks whether something fits and frees space for it
    └── work/                       staging folders

A blob appears under its name whole or not at all: it is written elsewhere, hashed while written, synced and renamed.
It goes at once: it is renamed into the trash. A writer that finds a blob here holds it, by a mark in its staging
folder, until it has recorded what needs it.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from panope_registry.store.files import OnBytes, copy_hashed, fingerprint_of, hash_file, sync_folder
from panope_registry.store.staging import staging_folder, sweep_staging

_HELD = "held"


class VerifyPolicy(StrEnum):
    """When a blob is hashed again before it is used."""

    ALWAYS = "always"
    CHANGED = "changed"
    """When its fingerprint (device, inode, size, time of change) is another than at the last hash."""
    NEVER = "never"


class BlobError(Exception):
    """A blob cannot be used; `missing` tells whether it is gone or damaged."""

    def __init__(self, sha256: str, *, missing: bool) -> None:
        super().__init__(sha256)
        self.sha256 = sha256
        self.missing = missing


@dataclass(frozen=True)
class Blob:
    """Bytes that the store holds.

    Attributes:
        fingerprint: of the file when it was hashed.
        content: the bytes, of a small file that no source has, for other stores; None where they need not be told.
    """

    sha256: str
    size_bytes: int
    fingerprint: str
    content: bytes | None = None


#: What each store has, and hardly any other folder.
STORE_ENTRIES = frozenset({"id", "blobs", "checkouts", "reservations"})

#: What stands in a store under the name of an earlier version -> its name now.
_RENAMED = {
    "promises": "reservations",
    "room.lock": "space.lock",
    "upkeep.lock": "maintenance.lock",
    "views": "checkouts",
}


class Store:
    """A store on this machine's disk. Safe for use by several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._work = folder / "work"
        self._removal_lock = folder / "removal.lock"
        self._space_lock = folder / "space.lock"
        self.blobs = folder / "blobs" / "sha256"
        self.quarantine = folder / "quarantine"
        self.trash = folder / "trash"
        self.checkouts = folder / "checkouts"
        self.downloads = folder / "downloads"
        self.reservations = folder / "reservations"
        self.job_files = folder / "job_files"
        _rename_old_entries(folder)
        places = (
            self.checkouts,
            self.quarantine,
            self.trash,
            self.downloads,
            self.reservations,
            self.job_files,
            self._work,
        )
        for path in (folder, self.blobs.parent, self.blobs, *places):
            path.mkdir(mode=0o700, exist_ok=True)
        self.id = _store_id(folder)
        self.sweep()

    def staging(self) -> AbstractContextManager[Path]:
        """Makes a folder on the store's file system, removed at the end of the block."""
        return staging_folder(self._work)

    def blob_path(self, sha256: str) -> Path:
        """Returns where a blob is, if it is here."""
        return self.blobs / sha256[:2] / sha256

    def hold(self, sha256: str, staging: Path) -> None:
        """Keeps a blob, if it is here, from being removed until the staging folder goes.

        Look only afterwards whether it is here.
        """
        with _locked(self._removal_lock, fcntl.LOCK_SH):
            marks = staging / _HELD
            marks.mkdir(mode=0o700, exist_ok=True)
            (marks / sha256).touch()

    @contextmanager
    def removal_lock(self) -> Iterator[frozenset[str]]:
        """While it lasts nobody else removes blobs and nobody begins to hold one; yields those that writers hold."""
        with _locked(self._removal_lock, fcntl.LOCK_EX):
            yield frozenset(mark for writer in self._work.iterdir() for mark in _names(writer / _HELD))

    def space_lock(self) -> AbstractContextManager[None]:
        """Keeps others from checking whether something fits; taken before `removal_lock`, never within it."""
        return _locked(self._space_lock, fcntl.LOCK_EX)

    def move_to_trash(self, path: Path) -> None:
        """Moves a file or folder of the store into the trash, at once; to be called within `removal_lock`."""
        path.rename(self.trash / f"{path.name}.{uuid.uuid4().hex[:8]}")

    def sweep(self) -> None:
        """Removes what writers that are gone have left."""
        sweep_staging(self._work)

    def add(self, source: Path, staging: Path, on_bytes: OnBytes = lambda _size: None) -> Blob:
        """Copies a file into the store, unless its bytes are there already and intact."""
        copied = staging / uuid.uuid4().hex
        sha256 = copy_hashed(source, copied, on_bytes)
        size = copied.stat().st_size
        self.hold(sha256, staging)
        try:
            fingerprint = self.verify(sha256, size, "", VerifyPolicy.ALWAYS)
        except BlobError:
            pass
        else:
            assert fingerprint is not None
            copied.unlink()
            return Blob(sha256, size, fingerprint)
        return self.place(copied, sha256)

    def place(self, file: Path, sha256: str) -> Blob:
        """Makes a file of the store's own disk a blob, in place of whatever has its name.

        It is what its name says, is safe on disk and will not be written to again.
        """
        target = self.blob_path(sha256)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        file.replace(target)
        for folder in (target.parent, target.parent.parent):
            sync_folder(folder)
        status = target.stat()
        return Blob(sha256, status.st_size, fingerprint_of(status))

    def verify(
        self, sha256: str, size_bytes: int, known: str, policy: VerifyPolicy, on_bytes: OnBytes | None = None
    ) -> str | None:
        """Makes sure that a blob may be used; returns its fingerprint if that took hashing it.

        Args:
            sha256: its name.
            size_bytes: its size when it was recorded.
            known: the fingerprint when it was last hashed; empty when it never was.
            policy: when to hash it again.
            on_bytes: called while it is hashed.

        Raises:
            BlobError: it is missing or damaged; a damaged one is in quarantine and will not be used again.
        """
        path = self.blob_path(sha256)
        try:
            before = path.stat()
            fingerprint = fingerprint_of(before)
            if policy is VerifyPolicy.NEVER or (policy is VerifyPolicy.CHANGED and fingerprint == known):
                return None
            intact = before.st_size == size_bytes and hash_file(path, on_bytes) == sha256
        except FileNotFoundError:
            raise BlobError(sha256, missing=True) from None
        if not intact:
            self._quarantine(path, before)
            raise BlobError(sha256, missing=False)
        return fingerprint

    def _quarantine(self, path: Path, seen: os.stat_result) -> None:
        """Moves a damaged blob out, unless an import has just put a good one in its place."""
        try:
            if os.path.samestat(path.stat(), seen):
                path.rename(self.quarantine / f"{path.name}.{uuid.uuid4().hex[:8]}")
        except FileNotFoundError:  # another process put it away
            return


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):  # its writer has just finished, or it is a lock file
        return []


@contextmanager
def _locked(file: Path, how: int) -> Iterator[None]:
    lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)


def _store_id(folder: Path) -> str:
    """Made once; the link lets one of several starting processes win."""
    path = folder / "id"
    if not path.exists():
        draft = folder / f"id.{uuid.uuid4().hex}"
        draft.write_text(uuid.uuid4().hex)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def _rename_old_entries(folder: Path) -> None:
    """Gives what an earlier version wrote its name of today, each at once; several processes may try it together."""
    for old, new in _RENAMED.items():
        if (folder / old).exists() and not (folder / new).exists():
            with suppress(FileNotFoundError):  # another process was first
                (folder / old).rename(folder / new)
