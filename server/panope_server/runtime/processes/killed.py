"""Whether a process has been killed, which it is told of long before its end where others have its processors.

The kernel closes a killed process's sockets, and tells of its end, when its threads have run once more. Those of
`SCHED_IDLE` did so 15 seconds later on a machine with ten times as much to do as processors.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

_PENDING = re.compile(rb"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", re.MULTILINE)
_ZOMBIE = re.compile(rb"^State:\s*[ZX]", re.MULTILINE)
_KILL = 1 << (signal.SIGKILL - 1)


def has_been_killed(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether SIGKILL waits for a thread of a process, or its first thread has ended; False where nobody tells.

    Args:
        pid: of the process.
        proc: where the kernel tells of it.
    """
    try:
        threads = [task.joinpath("status").read_bytes() for task in (proc / str(pid) / "task").iterdir()]
        first = (proc / str(pid) / "status").read_bytes()
    except OSError:  # it is gone, as its end tells by itself, or this is no Linux
        return False
    pending = [int(found, 16) for status in threads for found in _PENDING.findall(status)]
    return any(each & _KILL for each in pending) or _ZOMBIE.search(first) is not None
