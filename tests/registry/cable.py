"""A cable to a database that can be pulled."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60
SOCKET = ".s.PGSQL.5432"


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
