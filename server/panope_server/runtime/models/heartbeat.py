"""Tells the registry which instances this server runs, so that `panope ps --all` shows those of every server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from panope_backends.errors import PanopeError
from panope_registry.operations.instances import InstanceRecord
from panope_registry.tables.columns import now
from panope_server.runtime.registry_calls.threads import ask
from panope_server.runtime.safe_callbacks import contained_turn
from panope_server.runtime.status import InstanceView

_log = structlog.get_logger("panope.instances")

BEAT_SECONDS = 10.0
#: Changes within this time are told at once.
SETTLE_SECONDS = 0.5
#: A server that dies is shown for this long.
LEASE_SECONDS = 3 * BEAT_SECONDS
#: What stopping waits for a database that does not answer; the lease ends the rows then.
GOODBYE_SECONDS = 2.0

Running = Callable[[], Sequence[tuple[str, InstanceView]]]
"""The instances of this server, each with what it serves."""


class Book(Protocol):
    """Where instances are written down."""

    def report(self, server: str, records: Sequence[InstanceRecord], lease_seconds: float) -> None:
        """What a server runs now, for so many seconds."""


class Presence:
    """Writes all instances at once, every few seconds and after changes, in a thread; nobody waits for it.

    Args:
        server: this server's id, the same after a restart.
    """

    def __init__(self, book: Book, server: str) -> None:
        self._book = book
        self._server = server
        self._running: Running = tuple
        self._told = False
        self._away = False
        self._changed = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None

    def start(self, running: Running) -> None:
        """Begins to tell."""
        self._running = running
        self._beating = asyncio.create_task(self._beat())

    def changed(self) -> None:
        """Something begins or ends: tells it soon."""
        self._changed.set()

    async def tell(self) -> None:
        """Tells now, and returns when it is told: whoever has unloaded a model may delete it at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._tell(self._records())

    async def stop(self) -> None:
        """Says that nothing runs here any more."""
        if self._beating is not None:
            self._beating.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._tell([])

    async def _beat(self) -> None:
        while True:
            await contained_turn(self._tell_all)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._changed.wait()
                await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()

    async def _tell_all(self) -> None:
        await self._tell(self._records())

    def _records(self) -> Sequence[InstanceRecord]:
        return [_record(self._server, key, view) for key, view in self._running()]

    async def _tell(self, records: Sequence[InstanceRecord]) -> None:
        """One write; a server that runs nothing, and never did, writes nothing."""
        if not records and not self._told:
            return
        try:
            await ask(self._book.report, self._server, records, LEASE_SECONDS)
        except PanopeError as error:
            if not self._away:
                _log.warning("instances_not_told", reason=error.reason)
            self._away = True
            return
        self._told, self._away = bool(records), False


def _record(server: str, key: str, view: InstanceView) -> InstanceRecord:
    moment = now()
    return InstanceRecord(
        id=f"{server}/{view.id}",
        server=server,
        model=key,
        variant_digest=view.variant_digest,
        backend=view.backend,
        device=view.device,
        host=socket.gethostname(),
        pid=view.pid,
        state=view.state.value,
        started_at=view.started_at or moment,
        heartbeat_at=moment,
    )
