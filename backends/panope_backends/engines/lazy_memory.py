"""Memory that the system gives page by page, when it is first written.

NumPy asks for huge pages wherever an array has some megabytes. A cache of keys and values is an array or two a layer,
and a block is a little of each, so the first block would take two megabytes of all of them, in the middle of a step;
and where memory is full of files, as on most machines, the system moves them about to make room (decision 0825).

It is this process's own: of memory that is shared with its children, which is what `mmap` gives unless asked, a page is
taken even where it is only read.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from typing import Any

import numpy as np


def lazy_zeros(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """So many bytes of zeros, from the begin of a page; they are given back when nothing refers to the array any more.

    Raises:
        MemoryError: more than there is, more than can be counted.
    """
    if not size:
        return np.zeros(0, np.uint8)
    try:
        memory = _mapped(size)
    except (OSError, OverflowError, ValueError) as error:
        raise MemoryError from error
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a kernel that has no huge pages
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def _mapped(size: int) -> mmap.mmap:
    if os.name == "posix":
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, size)
