"""The other end of `panope_backends.isolation.limited_process`: frames in, frames out, each within limits.

Where the system can, the program gives up the network first: it needs none, and what it reads comes from strangers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import TypeVar

from panope_backends.errors import PreconditionError
from panope_backends.isolation.limited_process import EXIT_OUT_OF_MEMORY, LENGTH
from panope_backends.isolation.memory_limit import limit_addresses
from panope_backends.isolation.no_network import deny_network
from panope_backends.programs import process_setup
from panope_backends.programs.report import claim_stdout_stream

T = TypeVar("T")


def serve(answer: Callable[[bytes], bytes], *, limits_addresses: bool = False) -> None:
    """Answers requests until nobody asks any more.

    Args:
        answer: makes one answer, `within` limits.
        limits_addresses: whether addresses are limited as memory is, in a program that maps no large files.
    """
    # What ends here was meant to, and says nothing: a stranger's file could fill the log.
    process_setup.install(traces=False)
    if limits_addresses:
        limit_addresses()
    with contextlib.suppress(PreconditionError):
        deny_network()
    out = claim_stdout_stream()
    while head := sys.stdin.buffer.read(LENGTH.size):
        (length,) = LENGTH.unpack(head)
        try:
            made = answer(sys.stdin.buffer.read(length))
        except MemoryError:
            os._exit(EXIT_OUT_OF_MEMORY)
        out.write(LENGTH.pack(len(made)))
        out.write(made)
        out.flush()


def within(seconds: float, work: Callable[[], T]) -> T:
    """What some work gives; work that takes more processor time ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
