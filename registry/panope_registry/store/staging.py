"""Folders for work in progress. What a killed process leaves is swept by the next one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

_LOCK_SUFFIX = ".lock"


@contextlib.contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A folder of this writer's own, removed at the end.

    Each writer has its own, so a lock that does not work, as on some network file systems, costs space and not content.
    """
    with _locked_name(parent) as folder:
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # what stays is swept later


def sweep_staging(parent: Path) -> None:
    """Removes the folders of writers that are gone."""
    for lock_file in parent.glob(f"*{_LOCK_SUFFIX}"):
        with contextlib.suppress(OSError):  # its writer lives, or someone else sweeps it
            _sweep(lock_file)


@contextlib.contextmanager
def _locked_name(parent: Path) -> Iterator[Path]:
    """A name that nobody else uses, with a lock file beside it that is locked meanwhile."""
    while True:
        lock_file = parent / f"{uuid.uuid4().hex}{_LOCK_SUFFIX}"
        lock = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not lock_file.exists():  # swept between the two lines above: take another name
                continue
            try:
                yield lock_file.with_suffix("")
            finally:
                lock_file.unlink(missing_ok=True)
            return
        finally:
            os.close(lock)


def _sweep(lock_file: Path) -> None:
    lock = os.open(lock_file, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
        lock_file.unlink()
    finally:
        os.close(lock)
