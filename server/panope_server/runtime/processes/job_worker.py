"""Runs the job worker as a child: starts it with the server, starts it again when it ends, stops it at a safe point."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from panope_backends.retry import RetryPolicy
from panope_server.config import Settings
from panope_server.observability.downloads import DownloadReport
from panope_server.runtime.processes.child_process import ChildProcess, describe_exit
from panope_server.runtime.processes.process_supervisor import Exit, LivenessProbe, RestartPolicy, Supervisor

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
        backoff = RetryPolicy(base_seconds=FIRST_BACKOFF_SECONDS, cap_seconds=MAX_BACKOFF_SECONDS)
        self._settings = settings
        self._worker = _JobWorker(settings, program, on_report)
        self._supervisor = Supervisor("job_worker", self._worker, RestartPolicy(backoff=backoff), _log)
        self._is_started = False

    def view(self) -> JobsProcessView:
        """How it is."""
        pid = self._worker.pid
        if self._settings.jobs.concurrency == 0:
            state = "off"
        elif not self._is_started:
            state = "stopped"
        else:
            state = "running" if pid else "backing_off"
        return JobsProcessView(state, self._settings.jobs.concurrency, pid, self._supervisor.restart_count)

    async def start(self) -> None:
        """Starts it, unless the settings ask for no worker."""
        if self._settings.jobs.concurrency:
            await self._supervisor.start()
            self._is_started = True

    async def stop(self) -> None:
        """Lets running jobs come to a safe point and ends it."""
        await self._supervisor.stop()
        await self._worker.stop()
        self._is_started = False


class _JobWorker:
    """The program as its supervisor sees it."""

    def __init__(self, settings: Settings, program: Sequence[str], on_report: Callable[[DownloadReport], None]) -> None:
        self._settings = settings
        self._program = program
        self._on_report = on_report
        self._process: ChildProcess | None = None
        self._reports = 0

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return 0 if self._process is None else self._process.pid

    async def start(self) -> None:
        """Starts it; it is its first report that tells that it works."""
        self._process = await ChildProcess.start(
            *self._program,
            # It is Panope's own code and opens no model, so it keeps the environment: a hub's token, proxies.
            environment=os.environ,
            # Settings may hold a database's password: standard input is not seen by other users, a command line is.
            data=msgspec.json.encode(self._settings),
            stdout=self._read,
        )

    async def wait(self) -> Exit:
        """Returns when it has ended."""
        assert self._process is not None
        code = await self._process.wait()
        return Exit(code, describe_exit(code))

    async def stop(self) -> None:
        """Lets it come to a safe point, and takes its last report."""
        if self._process is not None:
            await self._process.stop(STOP_SECONDS)

    def liveness(self) -> LivenessProbe:
        """It must report."""
        return LivenessProbe(check=self._has_reported, period_seconds=CHECK_SECONDS, failure_threshold=SILENT_CHECKS)

    def end_silent(self, failed_checks: int) -> None:
        """Kills it."""
        assert self._process is not None
        _log.error("job_worker_silent", pid=self._process.pid, checks=failed_checks)
        self._process.kill()

    def last_output(self) -> Sequence[str]:
        """Nothing: it writes to the server's own log."""
        return ()

    def gave_up(self, error: Exception) -> None:
        """Only a defect gives it up, and that is in the log."""

    async def _has_reported(self) -> bool:
        """Whether it has sent a report, as it should each second, since this was asked last."""
        reports, self._reports = self._reports, 0
        return reports > 0

    async def _read(self, stream: asyncio.StreamReader) -> None:
        """Reads reports to the worker's end."""
        while line := await _line(stream):
            self._reports += 1
            try:
                self._on_report(msgspec.json.decode(line, type=DownloadReport))
            except msgspec.MsgspecError:
                _log.error("job_worker_protocol_error")


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; empty at the end. Of one that is too long only the beginning counts, which is no report."""
    try:
        return await stream.readline()
    except ValueError:
        return b"\n"
