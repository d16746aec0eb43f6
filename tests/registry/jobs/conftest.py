"""A table of jobs, a clock that moves when told, the runner's side of the table, and a cable that can be pulled."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, make_url

from panope_registry.jobs import JOB_RETRIES, Jobs
from panope_registry.jobs.claims import Claims
from panope_registry.tables.database import Database, open_engine

LEASE_SECONDS = 30.0
WAIT_SECONDS = 60
SOCKET = ".s.PGSQL.5432"


class SetClock:
    """Tells the moment that it is set to."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)

    def __call__(self, _connection: Connection) -> datetime:
        return self.moment

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(open_engine(database_url))
    yield database
    database.close()


@pytest.fixture
def jobs(database: Database, clock: SetClock) -> Jobs:
    return Jobs(database, clock=clock)


@pytest.fixture
def make_claims(database: Database, clock: SetClock) -> Callable[..., Claims]:
    """Makes a runner's side of the table; without jitter, the first wait after a failure is 2 s."""

    def make(owner: str = "a", store: str | None = None) -> Claims:
        retry_policy = replace(JOB_RETRIES, random=lambda: 1.0)
        return Claims(database, clock, owner=owner, lease_seconds=LEASE_SECONDS, retry_policy=retry_policy, store=store)

    return make


@pytest.fixture
def claims(make_claims: Callable[..., Claims]) -> Claims:
    return make_claims()


class Cable:
    """Stands between this process and PostgreSQL's socket, and can be pulled."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        self._server = server
        self._connections: set[asyncio.StreamWriter] = set()
        self._listening: asyncio.Server | None = None
        self._is_plugged_in = False
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
        self._is_plugged_in = True
        self._listening = await asyncio.start_unix_server(self._connect, self.folder / SOCKET)

    async def _cut(self) -> None:
        self._is_plugged_in = False
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
        if not self._is_plugged_in:  # it was pulled meanwhile
            for end in ends:
                end.transport.abort()
            return
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
