"""Counts what calls use: in memory at once, in a file within a second, in the registry as soon as it answers.

Nothing waits for it. A batch has a number, so that one whose fate is unknown is written again and counts once.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from panope_backends.errors import PanopeError
from panope_registry.serving_records.usage import (
    Dimension,
    UsageCounts,
    UsageFilter,
    UsageKey,
    UsageLedger,
    UsageSum,
    hour_of,
)
from panope_registry.tables.columns import now
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.async_registry.usage_journal import UsageBatch, UsageJournal
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.server")

_HOUR = timedelta(hours=1)
FLUSH_SECONDS = 1.0
"""What a process that is killed has counted since is lost; what it has counted before is in its journal."""
PRUNE_SECONDS = 3600.0
MAX_KEYS = 100_000
"""Hours × callers × models × tasks that wait for a database that is away; what is past it is lost, and counted."""
GOODBYE_SECONDS = 2.0
"""What stopping waits for a database that does not answer; the next start writes what is left then."""


class Lost(Protocol):
    """Counts calls whose use is lost."""

    def inc(self, amount: float = 1) -> None:
        """So many more."""


class UsageWriter:
    """Takes what calls use, and writes it later.

    Args:
        ledger: where it goes.
        journal: holds what is not there yet.
        retention_days: after which it is deleted; 0 for never.
        lost: counts calls whose use there was no room for.
        clock: this moment, in UTC.
    """

    def __init__(
        self,
        ledger: UsageLedger,
        journal: UsageJournal,
        *,
        retention_days: float,
        lost: Lost,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._keep = timedelta(days=retention_days)
        self._lost = lost
        self._clock = clock
        self._id = uuid.uuid4().hex
        self._sequence = 0
        self._hour = self._hour_ends = datetime.min.replace(tzinfo=UTC)
        self._pending: dict[UsageKey, UsageCounts] = {}
        self._batches: deque[UsageBatch] = deque()  # sealed, the oldest first; nothing is added to them
        self._is_journaled = False
        self._ending = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Calls whose use is not in the database yet."""
        held = [self._pending, *(batch.rows for batch in self._batches)]
        return sum(counts.requests for rows in held for counts in rows.values())

    def add(self, principal: str, model: str, task: str, counts: UsageCounts) -> None:
        """Counts what one call has used, which ended now; never waits."""
        moment = self._clock()
        if not self._hour <= moment < self._hour_ends:
            self._hour = hour_of(moment)
            self._hour_ends = self._hour + _HOUR
        key = UsageKey(self._hour, principal, model, task)
        known = self._pending.get(key)
        if known is not None:
            known.add(counts)
        elif len(self._pending) < MAX_KEYS:
            self._pending[key] = counts
        else:
            self._lost.inc(counts.requests)

    async def start(self) -> None:
        """Takes up what a process that was killed has left, and begins to write."""
        self._batches.extend(await asyncio.to_thread(self._journal.read))
        self._is_journaled = bool(self._batches)
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Writes what waits, if the database takes it, or leaves it to the next start."""
        self._ending.set()
        if self._loop is not None:
            # Its turn ends by itself: an older journal must not come after a newer one.
            await asyncio.wait([self._loop], timeout=GOODBYE_SECONDS)
        await self._keep_journal()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                if self._writing is not None:
                    await asyncio.wait([self._writing])
                self._seal()
                await self._write()
        await self._keep_journal()

    async def _run(self) -> None:
        prune_at = 0.0
        loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._ending.wait()
            await contained_turn(self._turn)
            if self._keep and loop.time() >= prune_at and not self._ending.is_set():
                await contained_turn(self._prune)
                prune_at = loop.time() + PRUNE_SECONDS

    async def _turn(self) -> None:
        await self._keep_journal()
        if self._writing is not None and not self._writing.done():
            return  # the database takes its time; the journal has what came meanwhile
        self._seal()
        if self._batches:
            self._writing = asyncio.create_task(contained_turn(self._write))

    def _seal(self) -> None:
        """What was counted becomes a batch, unless there is one that the database has not taken yet."""
        if self._pending and not (self._batches and self._batches[-1].writer == self._id):
            self._sequence += 1
            self._batches.append(UsageBatch(self._id, self._sequence, self._pending))
            self._pending = {}

    async def _write(self) -> None:
        while self._batches:
            batch = self._batches[0]
            try:
                await asyncio.shield(call_registry(self._ledger.write, batch.writer, batch.sequence, batch.rows))
            except PanopeError as error:
                _log.warning("usage_write_failed", reason=error.reason, waiting=self.waiting)
                return
            self._batches.popleft()

    async def _keep_journal(self) -> None:
        """What is unsaved now, as the batches that it is or becomes."""
        kept = list(self._batches)
        if self._pending:
            kept.append(UsageBatch(self._id, self._sequence + 1, {key: _copy(c) for key, c in self._pending.items()}))
        if not kept and not self._is_journaled:
            return
        try:
            await asyncio.to_thread(self._journal.keep, kept)
            self._is_journaled = bool(kept)
        except OSError as error:
            _log.warning("usage_journal_failed", error=error.strerror)

    async def _prune(self) -> None:
        try:
            await call_registry(self._ledger.prune, self._clock() - self._keep)
        except PanopeError as error:
            _log.warning("usage_prune_failed", reason=error.reason)


class AsyncUsage:
    """What was used, as the server's event loop asks for it."""

    def __init__(self, ledger: UsageLedger) -> None:
        self._ledger = ledger

    async def sums(self, only: UsageFilter, *, by: Sequence[Dimension], offset: int, limit: int) -> Sequence[UsageSum]:
        """As `UsageLedger.sums`."""
        return await call_registry(lambda: self._ledger.sums(only, by=by, offset=offset, limit=limit))


def _copy(counts: UsageCounts) -> UsageCounts:
    copy = UsageCounts()
    copy.add(counts)
    return copy
