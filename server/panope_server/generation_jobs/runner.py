"""Runs the jobs of this server's store in threads beside the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Mapping

from panope_registry.jobs import Handler, Jobs, Retention, Runner
from panope_server.config import Settings

GRACE_SECONDS = 5.0
"""How long jobs may take to leave their models when the server stops; then others would have them, and do not."""

TICK_SECONDS = 1.0


class GenerationRunner:
    """Takes jobs while the server serves."""

    def __init__(self, settings: Settings, jobs: Jobs, store: str) -> None:
        self._settings = settings
        self._jobs = jobs
        self._store = store
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, handlers: Mapping[str, Handler]) -> None:
        """Begins to take jobs, unless the settings say that this server runs none."""
        settings = self._settings
        if not settings.generation_jobs.concurrency:
            return
        lease_seconds = settings.jobs.lease_seconds
        runner = Runner(
            self._jobs,
            handlers,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            concurrency=settings.generation_jobs.concurrency,
            lease_seconds=lease_seconds,
            tick_seconds=min(TICK_SECONDS, lease_seconds / 4),
            grace_seconds=GRACE_SECONDS,
            store=self._store,
            retention=Retention(settings.jobs.retention_days, settings.jobs.retention_count),
        )
        self._thread = threading.Thread(target=runner.run, args=(self._stop,), name="generation-jobs", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Takes no more jobs; those that run go back, for the next start of this server."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.join)
