"""Whether a download fits on the disk, told before it begins where that is known."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from panope_backends.errors import CapacityError

MakeRoom = Callable[[int], object]
"""Called with a number of bytes that are to fit beside the floor and do not; makes room if it can."""


def check_room(folder: Path, needed: int, floor: int, make_room: MakeRoom | None) -> None:
    """Makes sure that `needed` bytes fit on the folder's disk and `floor` bytes stay free.

    Raises:
        CapacityError: they do not, and no room could be made.
    """
    if needed == 0:
        return
    if _free(folder) - floor < needed and make_room is not None:
        make_room(needed)
    if _free(folder) - floor < needed:
        raise no_room(folder, needed, floor)


@contextmanager
def disk_full(folder: Path, needed: Callable[[], int], floor: int) -> Iterator[None]:
    """Says in Panope's error that the disk is full.

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
        raise no_room(folder, needed(), floor) from None


def no_room(folder: Path, needed: int, floor: int) -> CapacityError:
    """The error, with what is needed and what there is."""
    spare = f", of which {floor} stay free" if floor else ""
    return CapacityError(
        f"the download needs {needed} more bytes, and the store's disk has {_free(folder)}{spare}", reason="disk_full"
    )


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
