"""Signals to child processes."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress


def send_signal(process: asyncio.subprocess.Process, number: int) -> None:
    """Sends a signal unless the process is gone.

    asyncio's own way looks first whether the process has ended, and so takes its exit code from whoever waits for it:
    they are told 255, whatever it died of.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def kill(process: asyncio.subprocess.Process) -> None:
    """Ends a process at once."""
    send_signal(process, signal.SIGKILL)


def told_end(exit_code: int) -> str:
    """How a process ended, in words."""
    number = -exit_code if exit_code < 0 else exit_code - 128  # shells, and `child`, add 128 to a signal
    if number == signal.SIGKILL:
        return "killed by signal 9, by a person or for lack of memory"
    return f"killed by signal {number}" if 0 < number < signal.NSIG else f"exit code {exit_code}"
