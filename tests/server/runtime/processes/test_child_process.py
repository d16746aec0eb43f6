"""One child process, from its start to its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from functools import partial

import psutil
import pytest

from panope_server.runtime.processes import child_process
from panope_server.runtime.processes.child_process import ChildProcess, describe_exit

SLEEPS = "import time; print('here', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
)


def wait_for_end(pid: int) -> None:
    """Waits for the end of a process that is nobody's child any more, which nobody may have collected."""
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)


class Program:
    """A Python program and what it has written."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.errors = bytearray()

    async def start(self, code: str, data: bytes | None = None) -> ChildProcess:
        return await ChildProcess.start(
            sys.executable,
            "-c",
            code,
            environment={"ONLY": "this"},
            data=data,
            stdout=partial(self._read, self.output),
            stderr=partial(self._read, self.errors),
        )

    async def until_it_runs(self) -> None:
        async with asyncio.timeout(60):
            while not self.output:  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.01)

    async def _read(self, collected: bytearray, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(100):
            collected += data


async def test_a_program_gets_its_input_and_its_environment_and_tells_its_exit_code() -> None:
    program = Program()
    code = (
        "import os, sys; print(sys.stdin.read(), dict(os.environ).get('ONLY'), 'HOME' in os.environ);"
        "print('x' * 100_000, file=sys.stderr); sys.exit(7)"
    )
    process = await program.start(code, b"input")
    assert await process.wait() == 7
    assert (process.pid, process.is_running) == (0, False)
    assert program.output == b"input this False\n"
    assert len(program.errors) == 100_001  # all of it was read before the end was told


async def test_a_stop_asks_first_and_kills_after_the_grace() -> None:
    for code, expected in ((SLEEPS, -signal.SIGTERM), (STUBBORN, -signal.SIGKILL)):
        program = Program()
        process = await program.start(code)
        await program.until_it_runs()
        pid = process.pid
        assert await process.stop(grace_seconds=0.3) == expected
        assert not psutil.pid_exists(pid)


async def test_a_signal_to_one_that_has_ended_hits_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    process = await Program().start("")
    await process.wait()
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a pid was signalled"))
    process.kill()
    assert await process.stop(0.1) == 0


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system has no pidfds")
async def test_a_pid_is_never_signalled_where_there_are_pidfds(monkeypatch: pytest.MonkeyPatch) -> None:
    process = await Program().start(SLEEPS)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a pid was signalled"))
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_without_a_pidfd_a_process_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(pid: int) -> int:
        raise OSError

    monkeypatch.setattr(os, "pidfd_open", none_left, raising=False)
    process = await Program().start(SLEEPS)
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_no_descriptor_is_left_of_one_that_has_ended() -> None:
    await (await Program().start("")).wait()
    before = psutil.Process().num_fds()
    for _ in range(3):
        await (await Program().start("", b"input")).wait()
    await asyncio.sleep(0)
    assert psutil.Process().num_fds() <= before


@pytest.mark.parametrize("leaves", [False, True], ids=["in its group", "in a group of its own"])
async def test_what_a_program_leaves_behind_does_not_hold_its_end_back(
    monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    monkeypatch.setattr(child_process, "READ_SECONDS", 0.2)
    code = (
        "import subprocess, sys\n"
        "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=LEAVES)\n"
        "print(left.pid, flush=True)"
    )
    program = Program()
    process = await program.start(code.replace("LEAVES", str(leaves)))
    assert await process.wait() == 0
    left = int(program.output)
    if leaves:
        os.kill(left, signal.SIGKILL)
    await asyncio.to_thread(wait_for_end, left)


async def test_a_program_that_is_not_there_is_an_error_of_its_start() -> None:
    with pytest.raises(FileNotFoundError):
        await ChildProcess.start("no such program", environment={})


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "killed by signal 9, by a person or for lack of memory"),
        (137, "killed by signal 9, by a person or for lack of memory"),
        (-11, "killed by signal 11"),
        (0, "exit code 0"),
        (1, "exit code 1"),
        (255, "exit code 255"),
    ],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words
