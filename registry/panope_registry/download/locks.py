"""One writer for each partial, over all processes of the machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from panope_registry.store.file_locks import try_lock


@contextmanager
def locked(file: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Holds a lock file, which is made and removed again.

    Args:
        file: the lock.
        wait: called over and over while another has it; what it raises ends the waiting.
    """
    while True:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not try_lock(lock):
                wait()
            if not _is_at(lock, file):  # its last holder has removed it: take the one that is there now
                continue
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
            return
        finally:
            os.close(lock)


def _is_at(lock: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), file.stat())
    except FileNotFoundError:
        return False
