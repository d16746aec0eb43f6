"""Keeps the audit log: takes events at once and writes them soon, off the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import structlog

from panope_backends.errors import PanopeError
from panope_registry.access.audit import AuditEvent, AuditLog
from panope_registry.tables.columns import now
from panope_server.access.caller import current_address
from panope_server.access.principal import current_principal
from panope_server.observability.request_id import current as current_request_id
from panope_server.runtime.async_registry.threads import call_access
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.access")

FLUSH_SECONDS = 0.5
STOP_SECONDS = 2.0
PRUNE_SECONDS = 3600.0
MAX_WAITING = 10_000
BATCH = 500
ANONYMOUS = "anonymous"


class AuditTrail:
    """Records what callers do.

    Args:
        log: where events go.
        retention_days: after which they are deleted; 0 for never.
    """

    def __init__(self, log: AuditLog, retention_days: int) -> None:
        self._log = log
        self._retention = timedelta(days=retention_days)
        self._waiting: deque[AuditEvent] = deque(maxlen=MAX_WAITING)
        self._batch: list[AuditEvent] = []  # that is being written
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def record(self, action: str, target: str = "", outcome: str = "ok") -> None:
        """Records something that the caller of this task did, or was refused; never waits."""
        principal = current_principal()
        if len(self._waiting) == MAX_WAITING:
            _log.error("audit_event_dropped", action=self._waiting[0].action, principal=self._waiting[0].principal)
        self._waiting.append(
            AuditEvent(
                created_at=now(),
                principal=principal.name or ANONYMOUS,
                key_id=principal.key_id,
                action=action,
                target=target,
                outcome=outcome,
                request_id=current_request_id.get(),
                peer=current_address(),
            )
        )

    @contextmanager
    def recording(self, action: str, target: str = "") -> Iterator[None]:
        """Records what the block does, with how it ends."""
        try:
            yield
        except PanopeError as error:
            self.record(action, target, error.reason)
            raise
        except BaseException:
            self.record(action, target, "interrupted")
            raise
        self.record(action, target)

    def start(self) -> None:
        """Begins to write."""
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._prune())]

    async def stop(self) -> None:
        """Writes what waits, if the database answers."""
        self._stopping.set()  # a write that is under way ends: whoever repeated it would record its events twice
        await asyncio.wait(self._tasks[:1], timeout=STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        if self._count:
            _log.error("audit_events_lost", count=self._count)

    @property
    def _count(self) -> int:
        return len(self._batch) + len(self._waiting)

    async def _write(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._stopping.wait()
            await contained_turn(self._turn)
            if self._stopping.is_set():
                return

    async def _turn(self) -> None:
        try:
            await self._flush()
        except PanopeError as error:  # they wait for the database
            _log.warning("audit_events_delayed", count=self._count, reason=error.reason)

    async def _flush(self) -> None:
        while self._batch or self._waiting:
            while self._waiting and len(self._batch) < BATCH:
                self._batch.append(self._waiting.popleft())
            await call_access(self._log.record, *self._batch)
            self._batch = []

    async def _prune(self) -> None:
        while self._retention:
            await contained_turn(self._prune_once, now() - self._retention)
            await asyncio.sleep(PRUNE_SECONDS)

    async def _prune_once(self, before: datetime) -> None:
        await call_access(self._log.prune, before)
