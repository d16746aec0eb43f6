"""Runs a program that does not outlive its parent, however the parent ends.

    python -m panope_server.runtime.processes.launcher [--parent PID] -- PROGRAM ARGUMENTS…

On Linux the kernel kills the program with its parent, and this process becomes the program: same pid, same streams,
same signals. Elsewhere it stays, passes SIGTERM and SIGINT on, and kills the program when its own parent changes.

The kernel watches the thread that started the program, so that must be one that lives as long as the parent: the main
thread. `asyncio.create_subprocess_exec` called from the main thread's loop is right; a pool's thread is not.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.2


def launch_command(*program: str) -> list[str]:
    """The command that runs `program` as a child of this very process."""
    # Isolated and without site-packages: the launcher needs neither, and starts in 15 ms.
    return [sys.executable, "-I", "-S", __file__, "--parent", str(os.getpid()), "--", *program]


def become(program: Sequence[str], parent: int) -> NoReturn:
    """Turns this process into the program; Linux only."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # A parent that died before the line above sends no signal.
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    os.execvp(program[0], list(program))  # noqa: S606 - no shell is the point


def watch(program: Sequence[str], parent: int) -> int:
    """Runs the program until it ends, or until the parent does; the exit code, as a shell gives it."""
    process = subprocess.Popen(list(program))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    while True:
        try:
            code = process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                process.kill()
            continue
        return code if code >= 0 else 128 - code


def main(arguments: Sequence[str]) -> int:
    """The program; its exit code."""
    options, program = _split(arguments)
    match options:
        case []:
            parent = os.getppid()
        case ["--parent", pid] if pid.isdecimal():
            parent = int(pid)
        case _:
            program = []
    if not program:
        sys.stderr.write("usage: launcher [--parent PID] -- PROGRAM ARGUMENTS…\n")
        return 2
    try:
        if os.uname().sysname == "Linux":
            become(program, parent)
        return watch(program, parent)
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]}: {error.strerror}\n")
        return 127


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before `--` and after it."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return list(arguments[:at]), list(arguments[at + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
