"""What a job worker does beside its jobs: looks after the store, and brings what is new into the shared one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from panope_registry.events import EventSink
from panope_registry.job_handlers.failures import log_failures
from panope_registry.job_handlers.share import Share
from panope_registry.jobs import Runner
from panope_registry.jobs.kinds import SHARE
from panope_registry.maintenance import Maintenance, MaintenancePolicy
from panope_registry.session import RegistrySession
from panope_registry.shared_store import RemoteStore, Uploader
from panope_server.app.generation_jobs import job_files_for
from panope_server.config import Settings

_log = structlog.get_logger("panope.store")

_LEVELS = {"store_evicted": logging.INFO, "blob_damaged": logging.ERROR, "blob_missing": logging.ERROR}


@contextmanager
def maintained(
    settings: Settings,
    session: RegistrySession,
    remote: RemoteStore | None,
    emit: EventSink,
    owner: str,
    stop: threading.Event,
) -> Iterator[None]:
    """Maintains the store in threads while the block lasts; its end sets `stop`."""
    database, store, jobs = session.database, session.store, session.jobs
    uploader = None if remote is None else Uploader(database, store, remote)
    policy = MaintenancePolicy(scrub_bytes_per_second=settings.store.scrub_speed)
    job_files = job_files_for(settings, session)
    maintenance = Maintenance(database, store, session.retention, jobs, uploader, job_files, _emit, policy)
    threads = [threading.Thread(target=maintenance.run, args=(stop,), name="maintenance")]
    if uploader is not None:
        # A runner of its own: uploading gigabytes must not hold up a download that somebody waits for.
        share_runner = Runner(
            jobs, {SHARE: log_failures(Share(uploader, emit), emit)}, owner=owner, concurrency=1, store=store.id
        )
        threads.append(threading.Thread(target=share_runner.run, args=(stop,), name="share"))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _emit(name: str, facts: Mapping[str, object]) -> None:
    _log.log(_LEVELS.get(name, logging.WARNING), name, **facts)
