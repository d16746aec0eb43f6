"""Files on disk: written whole or not at all, copied by the cheapest way that works, hashed while written."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from panope_backends.errors import CapacityError, PreconditionError
from panope_registry.names import shown

BLOCK_BYTES = 1 << 20
READ_ONLY = 0o444

_FICLONE = 0x40049409
"""Linux's request for a second file on the same blocks."""

OnBytes = Callable[[int], None]
"""Called with the number of bytes that were just done."""


def make_private(folder: Path) -> None:
    """Makes a folder that only this user can read; one that is there, and ours, is made so again.

    One with the sticky bit is shared on purpose, such as /tmp.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077 and not status.st_mode & stat.S_ISVTX:
        folder.chmod(stat.S_IMODE(status.st_mode) & 0o700)


def copy_hashed(source: Path, target: Path, on_bytes: OnBytes) -> str:
    """Copies a file into a new one and returns the sha256 of what was written, safe on disk.

    A second name for the source's own file (a hard link) would change when the user changes the source; a clone of its
    blocks, on file systems that can, does not.
    """
    digest = hashlib.sha256()
    with source.open("rb", buffering=0) as reading, target.open("x+b", buffering=0) as writing:
        cloned = _clone(reading.fileno(), writing.fileno())
        for block in _blocks(writing.fileno() if cloned else reading.fileno()):
            digest.update(block)
            if not cloned:
                _write_all(writing.fileno(), block)
            on_bytes(len(block))
        os.fchmod(writing.fileno(), READ_ONLY)
        os.fsync(writing.fileno())
    return digest.hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a stored file a second name; a copy where file systems cannot.

    Never a symbolic link: ONNX Runtime and OpenVINO refuse weights that lie elsewhere than their model.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        copy_hashed(source, target, lambda _size: None)


def hash_file(file: Path, on_bytes: OnBytes | None = None) -> str:
    """Returns the sha256 of a file, 64 hexadecimal digits; `on_bytes` may slow it down, or end it by raising."""
    with file.open("rb", buffering=0) as stream:
        if on_bytes is None:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        digest = hashlib.sha256()
        for block in _blocks(stream.fileno()):
            digest.update(block)
            on_bytes(len(block))
        return digest.hexdigest()


def fingerprint_of(status: os.stat_result) -> str:
    """Changes when a file is written to or replaced; the same fingerprint saves hashing again."""
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Says in Panope's errors what a disk may do at any time.

    Args:
        path: the file's name inside the model, for the message.
    """
    try:
        yield
    except PermissionError:
        raise PreconditionError(f"`{shown(path)}` cannot be read", reason="unreadable_file") from None
    except FileNotFoundError:
        raise PreconditionError(f"`{shown(path)}` went away", reason="folder_changed") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CapacityError(
                f"there is no room in the store for `{shown(path)}`; nothing was changed", reason="disk_full"
            ) from None
        raise


def _blocks(descriptor: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(BLOCK_BYTES))
    while size := os.readv(descriptor, [buffer]):
        yield buffer[:size]


def _write_all(descriptor: int, block: memoryview) -> None:
    while block:
        block = block[os.write(descriptor, block) :]


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:  # other file system, other system, or one that has no clones: copy
        return False
    return True
