"""Checks whether a download fits before it begins."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from panope_backends.errors import CapacityError
from panope_registry.download.partial import missing_bytes
from panope_registry.download.types import ExpectedBlob
from panope_registry.store.store import Store


class Space(Protocol):
    """Reserves space for files that are to come."""

    def reserve(self, wanted: Sequence[ExpectedBlob]) -> AbstractContextManager[object]:
        """Reserves space, while the context lasts, for what has not arrived of these files.

        Raises:
            CapacityError: there is none, and none could be made.
        """


class DiskSpace:
    """Checks the free space of the disk once; nobody else knows of the reservation.

    Args:
        store: that gets the files.
        floor_bytes: what stays free on its disk.
    """

    def __init__(self, store: Store, floor_bytes: int) -> None:
        self._store = store
        self._floor = floor_bytes

    @contextmanager
    def reserve(self, wanted: Sequence[ExpectedBlob]) -> Iterator[None]:
        """Reserves nothing, but checks as `Space.reserve` does."""
        sizes = {file.key: file.size_bytes for file in wanted}
        needed = sum(missing_bytes(self._store, key, size) for key, size in sizes.items())
        if needed and _free(self._store.folder) - self._floor < needed:
            raise no_space(self._store.folder, needed, self._floor)
        yield


@contextmanager
def disk_full(folder: Path, needed: Callable[[], int], floor: int) -> Iterator[None]:
    """Turns the system's error of a full disk into Panope's.

    Args:
        folder: on that disk.
        needed: how many bytes are still to come.
        floor: how many are to stay free.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise no_space(folder, needed(), floor) from None


def no_space(folder: Path, needed: int, floor: int) -> CapacityError:
    """Returns the error, with the bytes that are needed and those that are free."""
    spare = f", of which {floor} stay free" if floor else ""
    return CapacityError(
        f"the download needs {needed} more bytes, and the store's disk has {_free(folder)}{spare}", reason="disk_full"
    )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
