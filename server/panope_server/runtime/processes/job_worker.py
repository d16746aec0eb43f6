"""Runs the job worker as a child: starts it with the server, starts it again when it ends, stops it at a safe point."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from panope_server.config import Settings
from panope_server.observability.downloads import DownloadReport
from panope_server.runtime.processes.child import child_command
from panope_server.runtime.processes.restarts import keep_running, until_gone
from panope_server.runtime.processes.signals import kill, send_signal

_log = structlog.get_logger("panope.jobs")

PROGRAM = (sys.executable, "-m", "panope_server.job_worker.worker")

FIRST_BACKOFF_SECONDS = 0.2
MAX_BACKOFF_SECONDS = 30.0
CHECK_SECONDS = 5.0
#: A worker that sends no report in so many checks in a row is silent; when it starts it may need a while to the first.
SILENT_CHECKS = 12
#: The time that jobs have to come to a safe point; one that needs longer is picked up again by the next worker.
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class JobsProcessView:
    """What /status tells of it.

    Attributes:
        state: `off`, `running`, `backing_off` or `stopped`.
        workers: jobs that run at a time.
        pid: 0 when it does not run.
    """

    state: str
    workers: int
    pid: int
    restart_count: int


class JobsProcess:
    """The one job worker of this server; none when the settings ask for none.

    Args:
        program: what is started.
        on_report: takes what the worker counted in each second, which may be nothing.
    """

    def __init__(
        self,
        settings: Settings,
        program: Sequence[str] = PROGRAM,
        on_report: Callable[[DownloadReport], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._on_report = on_report
        self._reader: asyncio.Task[None] | None = None
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._restart_count = 0
        self._reports = 0

    def view(self) -> JobsProcessView:
        """How it is."""
        process = self._process
        alive = process is not None and process.returncode is None
        if self._settings.jobs.concurrency == 0:
            state = "off"
        elif self._keeper is None:
            state = "stopped"
        else:
            state = "running" if alive else "backing_off"
        pid = process.pid if process is not None and alive else 0
        return JobsProcessView(state, self._settings.jobs.concurrency, pid, self._restart_count)

    async def start(self) -> None:
        """Starts it, unless the settings ask for no worker."""
        if self._settings.jobs.concurrency:
            self._process = await self._spawn()
            self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Lets running jobs come to a safe point and ends it."""
        if self._keeper is None:
            return
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        self._keeper = None
        process = self._process
        if process is None or process.returncode is not None:
            return
        send_signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            kill(process)
            await process.wait()
        assert self._reader is not None
        await self._reader  # its last report

    async def _keep(self) -> None:
        await keep_running(
            "job_worker",
            self._until_gone,
            self._start_again,
            first_backoff_seconds=FIRST_BACKOFF_SECONDS,
            max_backoff_seconds=MAX_BACKOFF_SECONDS,
        )

    async def _until_gone(self) -> int:
        assert self._process is not None
        return await until_gone(
            "job_worker", self._process, self._has_reported, check_seconds=CHECK_SECONDS, silent_checks=SILENT_CHECKS
        )

    async def _has_reported(self) -> bool:
        """Whether it has sent a report, as it should each second, since this was asked last."""
        reports, self._reports = self._reports, 0
        return reports > 0

    async def _start_again(self) -> None:
        self._restart_count += 1
        self._process = await self._spawn()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        """Reads reports to the worker's end."""
        while line := await _line(stream):
            self._reports += 1
            try:
                self._on_report(msgspec.json.decode(line, type=DownloadReport))
            except msgspec.MsgspecError:
                _log.error("job_worker_protocol_error")

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *child_command(*self._program),
            # Settings may hold a database's password: standard input is not seen by other users, a command line is.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # It is Panope's own code and opens no model, so it keeps the environment: a hub's token, proxies.
            env=dict(os.environ),
            # A terminal's Ctrl-C is for the server, which stops the worker.
            process_group=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._reader = asyncio.create_task(self._read(process.stdout))
        process.stdin.write(msgspec.json.encode(self._settings))
        with contextlib.suppress(ConnectionError):  # it died already; the keeper sees that
            await process.stdin.drain()
        process.stdin.close()
        return process


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; empty at the end. Of one that is too long only the beginning counts, which is no report."""
    try:
        return await stream.readline()
    except ValueError:
        return b"\n"
