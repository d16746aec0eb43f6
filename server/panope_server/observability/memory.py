"""How much memory the server's process has in use."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import psutil

_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


class _Mallinfo2(ctypes.Structure):
    """What glibc tells of its allocator; `uordblks` and `hblkhd` are the bytes in use."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS.split()]


def used_bytes(enough: int) -> int:
    """The memory that the process has allocated and not given back, or some number up to `enough`, which is cheaper.

    The allocator keeps much of what was given back, so what is resident tells only that no more is in use. Where the C
    library is not glibc, that is all that is known.
    """
    resident = int(_process().memory_info().rss)
    ask = _mallinfo2()
    if resident <= enough or ask is None:
        return resident
    told = ask()
    return int(told.uordblks + told.hblkhd)


@cache
def _mallinfo2() -> Any:
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)  # since glibc 2.33
    if ask is not None:
        ask.restype = _Mallinfo2
    return ask


@cache
def _process() -> psutil.Process:
    return psutil.Process()
