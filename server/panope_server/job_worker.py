"""Runs jobs: the program that `panope serve` starts, and the heart of `panope worker` and `panope pull`.

python -m panope_server.job_worker < SETTINGS.json
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping

import msgspec
import structlog

from panope_backends.errors import PanopeError
from panope_registry.database import Database, open_engine
from panope_registry.handlers.table import handlers_for
from panope_registry.jobs import Jobs, Retention, Runner
from panope_server.config import Settings
from panope_server.hub import downloader_for, source_for
from panope_server.observability.logging import configure_logging
from panope_server.opening import open_registry

_log = structlog.get_logger("panope.jobs")


def work(settings: Settings, stop: threading.Event, *, concurrency: int = 0) -> None:
    """Runs jobs until `stop` is set; what runs then is left at a safe point, for another worker.

    Args:
        settings: of the home whose jobs are run.
        stop: ends it.
        concurrency: jobs at a time; 0 for what the settings say, and at least one.

    Raises:
        PanopeError: the registry cannot be opened.
    """
    registry = open_registry(settings, _tell)
    database = Database(open_engine(settings.registry_url))
    try:
        jobs = Jobs(database)
        handlers = handlers_for(registry, source_for(settings), downloader_for(settings, database), _tell)
        runner = Runner(
            jobs,
            handlers,
            owner=owner_name(),
            concurrency=concurrency or max(1, settings.job_workers),
            store=registry.store_id,
            retention=Retention(settings.jobs.keep_days, settings.jobs.keep_count),
        )
        _log.info("job_worker_started", owner=owner_name())
        runner.run(stop)
        _log.info("job_worker_stopped")
    finally:
        database.close()
        registry.close()


def _tell(name: str, facts: Mapping[str, object]) -> None:
    _log.info(name, **facts)


def owner_name() -> str:
    """Who runs jobs in this process, for people who look at them."""
    return f"{socket.gethostname()}:{os.getpid()}"


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def main() -> int:
    """The program; its exit code."""
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    configure_logging(settings.log_level)
    try:
        work(settings, stop_on_signals())
    except PanopeError as error:
        _log.error("job_worker_failed", reason=error.reason, message=error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
