"""The job worker as a child of the server."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from panope_server.config import JobSettings, Settings
from panope_server.runtime.processes import job_worker as module
from panope_server.runtime.processes.job_worker import JobsProcess

#: Writes the settings that it got and then lives until it is told to end.
STAYS = "import sys, time; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read()); time.sleep(600)"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.01)


async def test_it_gets_the_servers_settings_and_no_secret_on_its_command_line(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path), database_url="postgresql://user:secret@host/db")
    process = JobsProcess(settings, (sys.executable, "-c", STAYS, str(tmp_path / "got")))
    await process.start()
    try:
        await until(lambda: (tmp_path / "got").exists() and (tmp_path / "got").stat().st_size > 0)
        assert msgspec.json.decode((tmp_path / "got").read_bytes(), type=Settings) == settings
        assert "secret" not in " ".join(psutil.Process(process.view().pid).cmdline())
    finally:
        await process.stop()


async def test_its_state_is_clear_from_start_to_stop(tmp_path: Path) -> None:
    process = JobsProcess(
        Settings(jobs=JobSettings(concurrency=3)), (sys.executable, "-c", STAYS, str(tmp_path / "got"))
    )
    assert process.view().state == "stopped"
    await process.start()
    view = process.view()
    assert (view.state, view.workers, view.restart_count, psutil.pid_exists(view.pid)) == ("running", 3, 0, True)
    await process.stop()
    assert (process.view().state, process.view().pid, psutil.pid_exists(view.pid)) == ("stopped", 0, False)


async def test_one_that_dies_is_started_again(tmp_path: Path) -> None:
    process = JobsProcess(Settings(), (sys.executable, "-c", STAYS, str(tmp_path / "got")))
    await process.start()
    try:
        first = process.view().pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: process.view().state == "backing_off")
        await until(lambda: process.view().state == "running")
        assert process.view().pid != first
        assert process.view().restart_count == 1
    finally:
        await process.stop()


#: Reports that it lives, as the real one does, only faster.
REPORTS = "import sys, time\nsys.stdin.read()\nwhile True: print('{}', flush=True); time.sleep(0.02)"


async def test_one_that_is_silent_is_ended_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = []
    process = JobsProcess(Settings(), (sys.executable, "-c", REPORTS), reports.append)
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr(module, "SILENT_CHECKS", 8)
    await process.start()
    try:
        await until(lambda: len(reports) > 3)
        first = process.view().pid
        os.kill(first, signal.SIGSTOP)
        await until(lambda: process.view().pid not in (0, first))
        seen = len(reports)
        await until(lambda: len(reports) > seen)
        assert process.view().restart_count == 1
    finally:
        await process.stop()


async def test_one_that_cannot_be_started_is_started_when_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_BACKOFF_SECONDS", 0.01)
    process = JobsProcess(Settings(), (sys.executable, "-c", REPORTS))
    await process.start()
    try:
        spawn, tries = asyncio.create_subprocess_exec, 0

        async def short_of_descriptors(*command: Any, **options: Any) -> asyncio.subprocess.Process:
            nonlocal tries
            tries += 1
            if tries <= 3:
                raise OSError(errno.EMFILE, "Too many open files")
            return await spawn(*command, **options)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_descriptors)
        os.kill(process.view().pid, signal.SIGKILL)
        await until(lambda: process.view().state == "running" and tries == 4)
        assert process.view().restart_count == 4
    finally:
        await process.stop()


async def test_settings_without_workers_start_none() -> None:
    process = JobsProcess(Settings(jobs=JobSettings(concurrency=0)), ("no such program",))
    await process.start()
    assert (process.view().state, process.view().pid) == ("off", 0)
    await process.stop()


async def test_its_reports_are_taken_over_a_restart_and_to_its_end(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, time; sys.stdin.read();"
        "print('no report', flush=True); print('x' * 100_000, flush=True);"
        'signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b\'{"bytes":{"acme":4}}\\n\'), os._exit(0)));'
        'print(\'{"bytes":{"acme":3}}\', flush=True); time.sleep(600)'
    )
    received: list[int] = []
    process = JobsProcess(
        Settings(), (sys.executable, "-c", script), lambda report: received.extend(report.bytes.values())
    )
    await process.start()
    await until(lambda: received == [3])
    os.kill(process.view().pid, signal.SIGKILL)
    await until(lambda: received == [3, 3])
    await process.stop()
    assert received == [3, 3, 4]
