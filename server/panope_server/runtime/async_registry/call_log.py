"""Keeps a sample of the calls in the registry: off the event loop, in batches, and never at the cost of a call."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import structlog

from panope_backends.errors import PanopeError
from panope_registry.serving_records.inference_log import InferenceLog, LoggedCall
from panope_registry.tables.columns import now
from panope_server.config import Settings
from panope_server.runtime.async_registry.threads import call_registry
from panope_server.runtime.safe_callbacks import contained_turn

_log = structlog.get_logger("panope.server")

FLUSH_SECONDS = 1.0
PRUNE_SECONDS = 3600.0
MAX_WAITING = 10_000
"""Calls that wait to be written; while the database is away, the oldest make room for new ones."""
BATCH = 500
GOODBYE_SECONDS = 2.0
"""What stopping waits for a database that does not answer."""

POSTGRES_SAMPLE = 0.01
"""Of the calls, unless the settings say otherwise; of SQLite, which has one writer at a time, none."""


class Dropped(Protocol):
    """Counts calls that were to be kept and were not."""

    def inc(self, amount: float = 1) -> None:
        """So many more."""


def sample_of(settings: Settings) -> float:
    """The part of the calls that is kept."""
    if settings.inference_log.sample_ratio is not None:
        return settings.inference_log.sample_ratio
    return POSTGRES_SAMPLE if settings.database_url.startswith("postgres") else 0.0


class CallLog:
    """Takes calls at once and writes them later.

    Args:
        table: where they go.
        sample: the part of the calls that is kept, from 0 to 1.
        retention_days: after which they are deleted.
        dropped: counts those that were to be kept and are not.
        random_number: of [0, 1), for each call.
    """

    def __init__(
        self,
        table: InferenceLog,
        *,
        sample: float,
        retention_days: int,
        dropped: Dropped,
        random_number: Callable[[], float] = random.random,
    ) -> None:
        self._table = table
        self._sample = sample
        self._keep = timedelta(days=retention_days)
        self._dropped = dropped
        self._random = random_number
        self._waiting: deque[LoggedCall] = deque()
        self._writer: asyncio.Task[None] | None = None

    def __call__(self, call: LoggedCall) -> None:
        """Keeps a call, or not; never waits."""
        if self._random() >= self._sample:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._dropped.inc()
        self._waiting.append(call)

    def start(self) -> None:
        """Begins to write."""
        self._writer = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Writes what waits, if the database takes it."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._flush()

    async def _write(self) -> None:
        prune_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await contained_turn(self._flush)
            if loop.time() >= prune_at:
                await contained_turn(self._prune)
                prune_at = loop.time() + PRUNE_SECONDS

    async def _flush(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await asyncio.shield(call_registry(self._table.add, batch))
            except PanopeError as error:
                _log.warning("inference_log_write_failed", reason=error.reason, waiting=len(self._waiting) + len(batch))
                self._put_back(batch)
                return

    def _put_back(self, batch: list[LoggedCall]) -> None:
        room = max(0, MAX_WAITING - len(self._waiting))
        kept = batch[-room:] if room else []
        self._dropped.inc(len(batch) - len(kept))
        self._waiting.extendleft(reversed(kept))

    async def _prune(self) -> None:
        try:
            await call_registry(self._table.prune, now() - self._keep)
        except PanopeError as error:
            _log.warning("inference_log_prune_failed", reason=error.reason)
