"""The home folder of one server, and its folder of sockets."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from panope_registry.store.files import make_private

RUN_PREFIX = "panope-"


class StartError(Exception):
    """The server cannot start; the message says why, for a person."""


def locked_home(home: Path) -> IO[str]:
    """The home folder, made private, and locked so that no second server uses it; the lock ends with the file."""
    try:
        for folder in (home, home / "logs"):
            make_private(folder)
        lock = (home / "server.lock").open("a+")
    except OSError as error:
        raise StartError(f"the home folder {home} cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StartError(f"another server uses the home folder {home}; give this one its own with --home") from None
    return lock


@contextmanager
def run_folder_for(lock: IO[str]) -> Iterator[Path]:
    """A folder for this server's sockets, whose paths must be short; that of one that was killed here before goes.

    Args:
        lock: of the home; it holds the path of the folder.
    """
    _remove_former(lock)
    try:
        made = tempfile.TemporaryDirectory(prefix=RUN_PREFIX)
    except OSError as error:
        raise StartError(f"the folder {tempfile.gettempdir()} cannot be used: {error.strerror}") from None
    with made as folder, _locked(Path(folder)):
        _remember(lock, folder)
        yield Path(folder)
    _remember(lock, "")


def running_folder(home: Path) -> Path | None:
    """The folder of the sockets of the server that runs in a home; None when none does."""
    with suppress(OSError):
        folder = Path((home / "server.lock").read_text().strip())
        return folder if folder.name.startswith(RUN_PREFIX) and folder.is_dir() else None
    return None


def _remove_former(lock: IO[str]) -> None:
    lock.seek(0)
    former = Path(lock.read().strip())
    if not former.name.startswith(RUN_PREFIX):  # there was none, or it ended well
        return
    with suppress(OSError, ValueError):
        found = former.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            with _locked(former):
                shutil.rmtree(former)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a folder, as whoever uses it does; one that another process holds is a BlockingIOError.

    A home that was copied while its server ran names the folder of that server. systemd-tmpfiles leaves what is locked
    alone too, however old it is.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)


def _remember(lock: IO[str], folder: str) -> None:
    with suppress(OSError):  # a full disk: then it stays, should this server be killed
        lock.seek(0)
        lock.truncate()
        lock.write(folder)
        lock.flush()
