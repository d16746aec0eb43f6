"""Ties the worker's life to the server's, limits its memory, and makes its death readable."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys

from panope_backends.isolation.memory_limit import limit_memory

_PR_SET_PDEATHSIG = 1


def install(*, traces: bool = True) -> None:
    """Sets the process up; called first.

    The kernel kills a worker whose server dies (Linux); elsewhere the end of the socket does the same a moment later.
    Crashes and SIGABRT, which the server sends to a worker that hangs, write every thread's stack to the log.

    Args:
        traces: whether they do.
    """
    limit_memory()
    parent = os.getppid()
    # Ctrl-C reaches every process of a terminal; the server decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if traces:
        faulthandler.enable(all_threads=True)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit("the server died before the worker was set up")
