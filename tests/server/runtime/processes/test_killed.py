"""A process that was killed and cannot end yet, for want of a processor, is told by the kernel's word on threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from panope_server.runtime.processes.killed import has_been_killed

KILL = 1 << (signal.SIGKILL - 1)
TERM = 1 << (signal.SIGTERM - 1)


def told_by(folder: Path, *threads: tuple[int, int], state: str = "R (running)") -> bool:
    """By a made-up /proc: of each thread the signals that wait for it alone, and for the process."""
    for number, (alone, shared) in enumerate(threads):
        task = folder / "7/task" / str(7 + number)
        task.mkdir(parents=True)
        status = f"Name:\tx\nState:\t{state}\nSigPnd:\t{alone:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{KILL:016x}\n"
        (task / "status").write_text(status)
    (folder / "7/status").write_bytes((folder / "7/task/7/status").read_bytes())
    return has_been_killed(7, folder)


@pytest.mark.parametrize(
    ("threads", "killed"),
    [
        ([(0, 0), (0, 0)], False),
        ([(TERM, TERM)], False),
        ([(KILL, 0)], True),
        ([(0, KILL | TERM)], True),
        ([(0, 0), (TERM, 0), (KILL, 0)], True),
    ],
)
def test_a_process_for_one_of_whose_threads_the_signal_waits_has_been_killed(
    tmp_path: Path, threads: list[tuple[int, int]], killed: bool
) -> None:
    assert told_by(tmp_path, *threads) is killed


def test_a_process_whose_first_thread_has_ended_is_ending(tmp_path: Path) -> None:
    assert told_by(tmp_path, (0, 0), state="Z (zombie)")


def test_where_nobody_tells_nobody_has_been_killed(tmp_path: Path) -> None:
    assert not has_been_killed(7, tmp_path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_a_process_that_was_killed_is_told_from_one_that_is_stopped() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        process.send_signal(signal.SIGTERM)  # it waits until the process goes on
        assert not has_been_killed(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert has_been_killed(process.pid)
