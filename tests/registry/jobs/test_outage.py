"""The database goes away while jobs run, and comes back: the runner goes on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from panope_backends.errors import AvailabilityError
from panope_registry.database import Database, open_engine
from panope_registry.jobs import JobContext, Jobs, JobStatus, Runner

SOCKET = ".s.PGSQL.5432"
WAIT_SECONDS = 60


class Cable:
    """Stands between this process and PostgreSQL's socket, and can be pulled."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        self._server = server
        self._connections: set[asyncio.StreamWriter] = set()
        self._listening: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.plug_in()

    def plug_in(self) -> None:
        self._do(self._listen())

    def pull(self) -> None:
        self._do(self._cut())

    def close(self) -> None:
        self.pull()
        self._do(self._settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(WAIT_SECONDS)

    async def _listen(self) -> None:
        self._listening = await asyncio.start_unix_server(self._connect, self.folder / SOCKET)

    async def _cut(self) -> None:
        if self._listening is not None:
            self._listening.close()
        (self.folder / SOCKET).unlink(missing_ok=True)
        for connection in self._connections:
            connection.transport.abort()

    async def _settle(self) -> None:
        mine = asyncio.current_task()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not mine), return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._server)
        ends = {writer, far_writer}
        self._connections |= ends
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        self._connections -= ends


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@pytest.fixture
def cable(database_url: str) -> Iterator[tuple[Cable, str]]:
    """And the URL of a database at its end."""
    url = make_url(database_url)
    folder = Path(tempfile.mkdtemp(prefix="panope-cable-"))  # a socket's path has a short limit
    made = Cable(Path(str(url.query["host"])) / SOCKET, folder)
    yield made, url.set(query={"host": str(folder)}).render_as_string(False)
    made.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("seconds", [0.0, pytest.param(10.0, marks=pytest.mark.slow)])
def test_the_runner_goes_on_when_the_database_is_back(
    cable: tuple[Cable, str], seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    line, url = cable
    began, go_on = threading.Event(), threading.Event()

    def work(_context: JobContext) -> Mapping[str, Any]:
        began.set()
        assert go_on.wait(WAIT_SECONDS)
        return {"ran": True}

    database = Database(open_engine(url))
    jobs = Jobs(database)
    first = jobs.enqueue("work", {})
    second = jobs.enqueue("work", {})
    stop = threading.Event()
    runner = Runner(jobs, {"work": work}, owner="a", concurrency=1, tick_seconds=0.05, lease_seconds=3.0)
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    try:
        assert began.wait(WAIT_SECONDS)
        line.pull()
        with pytest.raises(AvailabilityError, match="does not answer"):
            jobs.get(first.id)
        end = time.monotonic() + seconds
        _wait(lambda: _warnings(caplog) >= 2 and time.monotonic() >= end)
        go_on.set()  # it ends, and cannot tell
        told = _warnings(caplog)
        _wait(lambda: _warnings(caplog) >= told + 3)
        line.plug_in()
        _wait(lambda: all(jobs.get(entry.id).status.is_final for entry in (first, second)))
    finally:
        go_on.set()
        stop.set()
        thread.join(WAIT_SECONDS)
    for entry in (jobs.get(first.id), jobs.get(second.id)):
        assert (entry.status, entry.result, entry.attempt) == (JobStatus.SUCCEEDED, {"ran": True}, 1)
    database.close()


def _warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.levelno == logging.WARNING for record in caplog.records)


def _wait(condition: Any) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen within a minute"
        time.sleep(0.01)
