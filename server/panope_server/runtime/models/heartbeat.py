"""Reports to the registry which instances this server runs, so that `panope ps --all` shows those of every server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from panope_backends.errors import PanopeError
from panope_registry.serving_records.instances import InstanceRecord
from panope_registry.tables.columns import now
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.safe_callbacks import contained_turn
from panope_server.runtime.status import InstanceView

_log = structlog.get_logger("panope.instances")

BEAT_SECONDS = 10.0
#: Changes within this time are reported together.
SETTLE_SECONDS = 0.5
#: A server that dies is shown for this long.
LEASE_SECONDS = 3 * BEAT_SECONDS
#: What stopping waits for a database that does not answer; the lease ends the rows then.
GOODBYE_SECONDS = 2.0

RunningInstances = Callable[[], Sequence[tuple[str, InstanceView]]]
"""The instances of this server, each with what it serves."""


class InstanceTable(Protocol):
    """Where instances are recorded."""

    def report(self, server: str, records: Sequence[InstanceRecord], lease_seconds: float) -> None:
        """What a server runs now, for so many seconds."""


class Heartbeat:
    """Writes all instances at once, every few seconds and after changes, in a thread; nobody waits for it.

    Args:
        server: this server's id, the same after a restart.
    """

    def __init__(self, table: InstanceTable, server: str) -> None:
        self._table = table
        self._server = server
        self._running: RunningInstances = tuple
        self._has_reported = False
        self._is_away = False
        self._changed = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None

    def start(self, running: RunningInstances) -> None:
        """Begins to report."""
        self._running = running
        self._beating = asyncio.create_task(self._beat())

    def changed(self) -> None:
        """Something begins or ends: reports it soon."""
        self._changed.set()

    async def report_now(self) -> None:
        """Reports now, and returns when that is written: whoever has unloaded a model may delete it at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._report(self._records())

    async def stop(self) -> None:
        """Says that nothing runs here any more."""
        if self._beating is not None:
            self._beating.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._report([])

    async def _beat(self) -> None:
        while True:
            await contained_turn(self._report_all)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._changed.wait()
                await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()

    async def _report_all(self) -> None:
        await self._report(self._records())

    def _records(self) -> Sequence[InstanceRecord]:
        return [_record(self._server, key, view) for key, view in self._running()]

    async def _report(self, records: Sequence[InstanceRecord]) -> None:
        """One write; a server that runs nothing, and never did, writes nothing."""
        if not records and not self._has_reported:
            return
        try:
            await call_registry(self._table.report, self._server, records, LEASE_SECONDS)
        except PanopeError as error:
            if not self._is_away:
                _log.warning("instance_heartbeat_failed", reason=error.reason)
            self._is_away = True
            return
        self._has_reported, self._is_away = bool(records), False


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
