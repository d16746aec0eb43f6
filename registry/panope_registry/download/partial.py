"""The beginning of a file that is on its way, kept through every end of the process.

    downloads/
    ├── KEY.part    the bytes so far; never longer than what has arrived: nothing is allocated ahead
    ├── KEY.json    how many of them are safe on disk, and since which start of the machine
    └── KEY.lock    held by the one who writes

After a kill the whole part counts, because the system has it. After the machine itself went down only what was synced
counts: a file may then be longer than what was written of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from panope_registry.download.digests import Digests
from panope_registry.download.types import ExpectedBlob
from panope_registry.store.files import BLOCK_BYTES, READ_ONLY
from panope_registry.store.store import Store

CONFIRM_BYTES = 256 << 20
"""After so many bytes they are synced; a machine that goes down costs no more."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Partial:
    """Open for one writer, who holds its lock; what it holds is hashed as it grows."""

    def __init__(self, folder: Path, wanted: ExpectedBlob) -> None:
        self.path = folder / f"{wanted.key}.part"
        self._note = self.path.with_suffix(".json")
        self._wanted = wanted
        self._boot = _boot_id()
        self._digests = Digests(wanted)
        self._confirmed = 0
        self.size = 0
        with suppress(FileNotFoundError):
            self.path.chmod(0o600)  # its writer was killed between the last byte and the new name
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.path.exists():
                with suppress(OSError):  # a full disk: then less counts after the machine goes down
                    self._confirm()
        finally:
            os.close(self._file)

    @property
    def total_bytes(self) -> int:
        """The size of the whole file."""
        return self._wanted.size_bytes

    @property
    def missing_bytes(self) -> int:
        """The bytes that are still to come; less than 0 when too many came."""
        return self.total_bytes - self.size

    @property
    def is_intact(self) -> bool:
        """Whether it is the whole file."""
        return self.missing_bytes == 0 and self._digests.fits

    @property
    def sha256(self) -> str:
        """The sha256 of what is here."""
        return self._digests.sha256

    def resume(self, on_bytes: Callable[[int], None]) -> None:
        """Resumes what an earlier writer left; it is hashed, and `on_bytes` is called with how much."""
        usable, self._confirmed = self._usable_bytes()
        if usable > self.total_bytes:
            usable = self._confirmed = 0
        os.ftruncate(self._file, usable)
        buffer = memoryview(bytearray(BLOCK_BYTES))
        while count := os.preadv(self._file, [buffer], self.size):
            self._digests.update(buffer[:count])
            self.size += count
            on_bytes(self.size)
        self._write_note(self._confirmed)

    def write(self, block: bytes) -> None:
        """Adds bytes at the end."""
        left = memoryview(block)
        while left:
            count = os.pwrite(self._file, left, self.size)
            self._digests.update(left[:count])
            self.size += count
            left = left[count:]
        if self.size - self._confirmed >= CONFIRM_BYTES:
            self._confirm()

    def restart(self) -> None:
        """Discards every byte."""
        os.ftruncate(self._file, 0)
        self._digests = Digests(self._wanted)
        self.size = self._confirmed = 0
        self._write_note(0)

    def seal(self) -> None:
        """Makes it safe on disk and read-only."""
        os.fchmod(self._file, READ_ONLY)
        os.fsync(self._file)

    def forget(self) -> None:
        """Removes what is left of it."""
        remove_partial(self.path)

    def _confirm(self) -> None:
        os.fsync(self._file)
        self._confirmed = self.size
        self._write_note(self.size)

    def _usable_bytes(self) -> tuple[int, int]:
        """Returns how many bytes to believe in, and how many of them are safe on disk."""
        size = os.fstat(self._file).st_size
        try:
            note = json.loads(self._note.read_bytes())
            boot, confirmed = note["boot"], min(size, int(note["confirmed_bytes"]))
        except (OSError, ValueError, TypeError, KeyError):  # none yet, or the machine went down while it was written
            return 0, 0
        return (size if boot and boot == self._boot else confirmed), confirmed

    def _write_note(self, confirmed: int) -> None:
        draft = self._note.with_suffix(".new")
        draft.write_text(json.dumps({"boot": self._boot, "confirmed_bytes": confirmed}))
        draft.replace(self._note)


def part_path(store: Store, key: str) -> Path:
    """Returns where the bytes of a wanted file are until it is whole."""
    return store.downloads / f"{key}.part"


def missing_bytes(store: Store, key: str, size_bytes: int) -> int:
    """Returns how much of a wanted file is still to come, as far as sizes tell."""
    if store.blob_path(key).exists():
        return 0
    try:
        arrived = part_path(store, key).stat().st_size
    except FileNotFoundError:
        arrived = 0
    return max(0, size_bytes - arrived)


def remove_partial(part: Path) -> int:
    """Removes a partial and its note, by the holder of its lock; returns how many bytes it had."""
    size = part.stat().st_size if part.exists() else 0
    for path in (part, part.with_suffix(".json"), part.with_suffix(".new")):
        path.unlink(missing_ok=True)
    return size


def _boot_id() -> str:
    """Names this start of the machine; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
