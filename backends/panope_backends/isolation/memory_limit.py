"""Keeps the memory of a program that runs models within a limit, so that a model's files or a call harm it alone.

RLIMIT_DATA counts what a process allocates for itself, and neither files that it maps, such as weights, nor addresses
that it only reserves. Past it an allocation fails: engines raise, the call is refused and the process lives on.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

LIMIT = "PANOPE_PROCESS_MEMORY_BYTES"
"""The variable with the limit, which also holds for programs that this one starts; none without it."""

#: The kernel ends these programs before the server when the machine's memory is out; it adds the score in thousandths.
OOM_SCORE = 500

_OOM_SCORE_FILE = Path("/proc/self/oom_score_adj")


def limit_memory() -> None:
    """Sets the limit and the score; called first, on Linux alone."""
    if sys.platform != "linux":
        return
    import resource  # no other system has it all

    with contextlib.suppress(OSError, ValueError):  # a system that hides it
        if int(_OOM_SCORE_FILE.read_text()) < OOM_SCORE:
            _OOM_SCORE_FILE.write_text(str(OOM_SCORE))
    limit = os.environ.get(LIMIT, "")
    if limit.isdecimal() and int(limit):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = int(limit) if hard == resource.RLIM_INFINITY else min(int(limit), hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def limit_addresses() -> None:
    """Limits a program's addresses to what it may allocate, and leaves no core; for one that maps no large files."""
    if sys.platform != "linux":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an engine's error means that it could not have the memory that it asked for."""
    text = str(error).lower()
    names = ("bad_alloc", "out of memory", "alloc_failed")  # the last of CUDA's libraries
    return (
        isinstance(error, MemoryError)
        or any(name in text for name in names)
        or ("allocate" in text and "memory" in text)
    )
