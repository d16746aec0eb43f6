"""How the threads of a process make way for those of others on the processor."""

from __future__ import annotations

import contextlib
import os

#: Where there is no better way: of two threads, one at 19 has 1.5 % of what one at 0 has.
_LOWEST = 19


def make_way() -> None:
    """Lets any thread that is not of this kind have its processor at once, for good.

    Threads and processes that are begun later do so too. On Linux by the policy `SCHED_IDLE`: a thread of another
    policy that wakes takes the processor from one of this in the midst of its turn, and is put where such a one runs
    as if nothing ran there. Niceness alone, which is what other systems have, does neither.
    """
    with contextlib.suppress(OSError):  # a sandbox may not have it
        os.nice(_LOWEST)
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
