"""Runs a program that does not outlive its parent, however the parent ends.

    python -m panope_server.runtime.processes.launcher [--parent PID] -- PROGRAM ARGUMENTS…

On Linux the kernel kills the program with its parent, and this process becomes the program: same pid, same streams,
same signals. Where the kernel has Landlock, neither the program nor what it starts can read the memory or the
environment of another process, nor signal one: a worker runs other people's models. Elsewhere it stays, passes SIGTERM
and SIGINT on, and kills the program when its own parent changes.

The kernel watches the thread that started the program, so that must be one that lives as long as the parent: the main
thread. `asyncio.create_subprocess_exec` called from the main thread's loop is right; a pool's thread is not.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_POLL_SECONDS = 0.2

#: Landlock's calls, the same on every processor, and the versions from which it can do what is asked of it.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_FLAG_VERSION = 1
_MOVES_SINCE, _SIGNALS_SINCE = 2, 6
_RULE_BENEATH = 1
_MOVE = 1 << 13
"""The right to move a file to another folder, which every domain withholds unless it says otherwise."""
_SCOPE_SIGNAL = 1 << 1


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
    stand_apart(libc)
    os.execvp(program[0], list(program))  # noqa: S606 - no shell is the point


def stand_apart(libc: ctypes.CDLL) -> None:
    """Puts this process and all that it starts into a Landlock domain of their own, where the kernel has such.

    A domain keeps its processes from tracing those outside, which covers `/proc/PID/mem` and `/proc/PID/environ`, and
    from Linux 6.12 on from signalling them. Files stay as they are: moving them is allowed everywhere.

    Args:
        libc: of this process, which must have one thread: the kernel restricts the caller's alone.
    """
    version = libc.syscall(_CREATE_RULESET, None, 0, _FLAG_VERSION)
    if version < _MOVES_SINCE:
        return
    scoped = _SCOPE_SIGNAL if version >= _SIGNALS_SINCE else 0
    attributes = struct.pack("=3Q", _MOVE, 0, scoped)[: 24 if scoped else 8]
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    libc.syscall(_ADD_RULE, ruleset, _RULE_BENEATH, struct.pack("=Qi", _MOVE, root), 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
        raise OSError(ctypes.get_errno(), "landlock_restrict_self failed")


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
