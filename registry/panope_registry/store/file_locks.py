"""Locks on files, which end with the process that holds them."""

from __future__ import annotations

import fcntl


def try_lock(file: int, *, shared: bool = False) -> bool:
    """Locks an open file if that is possible at once; returns whether this process holds the lock now.

    Args:
        file: its descriptor.
        shared: whether others may hold it as well, if all of them share it.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # network file systems say the second
        return False
    return True
