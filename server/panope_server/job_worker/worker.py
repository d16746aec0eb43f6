"""Runs jobs: the program that `panope serve` starts, and the heart of `panope job-worker` and `panope pull`.

python -m panope_server.job_worker.worker < SETTINGS.json
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, Protocol

import msgspec
import structlog

from panope_backends.errors import PanopeError
from panope_registry.events import ERROR
from panope_registry.job_handlers.handlers import handlers_for
from panope_registry.jobs import Handler, Retention, Runner
from panope_registry.jobs.kinds import ARTIFACT_DOWNLOAD, BUILD_ENGINE, QUANTIZE
from panope_registry.session import RegistrySession
from panope_registry.shared_store import SharedStoreSource
from panope_registry.shared_store.factory import open_remote_store
from panope_registry.sources.counted import CountedSource
from panope_server.app.hub import check_vendor, downloader_for, source_for
from panope_server.app.registry_session import open_registry_session, shared_store_location
from panope_server.config import Settings
from panope_server.job_worker.conversion_runner import ProgramConversionRunner
from panope_server.job_worker.maintenance import maintained
from panope_server.job_worker.model_folders import import_model_folders
from panope_server.observability.downloads import DownloadCounts, Reporter
from panope_server.observability.log_file import log_file
from panope_server.observability.logging import configure_logging
from panope_server.runtime.hardware.hardware import Hardware
from panope_server.runtime.placement.memory import machine_bytes

_log = structlog.get_logger("panope.jobs")

TICK_SECONDS = 1.0
"""Between two renewals of each job's lease, unless that is short."""

GRACE_SECONDS = 10.0
BRIEF_GRACE_SECONDS = 2.0
"""How long jobs may take to end when this process or a command at a terminal does; a host that stalls takes longer."""

BRIEF_LEASE_SECONDS = 10.0
"""The longest lease of a command at a terminal: whoever kills it and gives it again waits so long for it to go on."""


class Counts(Protocol):
    """Counts what is downloaded."""

    def received(self, vendor: str, count: int) -> None:
        """Bytes have come from a vendor's repos."""

    def failed(self, vendor: str) -> None:
        """An attempt to download from them has ended in an error."""


def run_jobs(
    settings: Settings,
    session: RegistrySession,
    stop: threading.Event,
    *,
    concurrency: int = 0,
    counts: Counts | None = None,
    only: Collection[int] | None = None,
) -> None:
    """Runs jobs until `stop` is set; what runs then is left at a safe point, for another worker.

    Args:
        settings: of the home whose jobs are run.
        session: the home's registry.
        stop: ends it.
        concurrency: jobs at a time; 0 for what the settings say, and at least one.
        counts: told what is downloaded.
        only: the jobs to run, by id, of a process that goes when they are done, and tells its user of failures in
            another way than by its log; None for every job, of one that stays and looks after the store beside.

    Raises:
        PanopeError: what the shared store needs is not installed.
    """
    counts = counts or DownloadCounts()
    emit = partial(_emit, counts, "error" if only is None else "info")
    location = shared_store_location(settings)
    remote = open_remote_store(location) if location else None
    handlers = handlers_for(
        session.registry,
        CountedSource(source_for(settings), counts.received),
        downloader_for(settings, session),
        emit,
        _machine_bytes(settings),
        conversion_runner=ProgramConversionRunner(settings),
        scratch=settings.home_path / "scratch",
        shared=SharedStoreSource(remote, session.registry.record_not_shared, _shared_store_away) if remote else None,
        check_vendor=partial(check_vendor, settings),
    )
    lease_seconds = settings.jobs.lease_seconds
    if only is not None:
        lease_seconds = min(lease_seconds, BRIEF_LEASE_SECONDS)

    def runner_of(handlers: Mapping[str, Handler], concurrency: int) -> Runner:
        return Runner(
            session.jobs,
            handlers,
            owner=owner_name(),
            concurrency=concurrency,
            lease_seconds=lease_seconds,
            grace_seconds=GRACE_SECONDS if only is None else BRIEF_GRACE_SECONDS,
            tick_seconds=min(TICK_SECONDS, lease_seconds / 4),
            store=session.store.id,
            retention=Retention(settings.jobs.retention_days, settings.jobs.retention_count),
            only=only,
        )

    concurrency = concurrency or max(1, settings.jobs.concurrency)
    _log.info("job_worker_started", owner=owner_name())
    if only is not None:
        runner_of(handlers, concurrency).run(stop)
    else:
        # Builds have a runner of their own: a load that waits for one must not wait for downloads before it.
        builds = {kind: handlers[kind] for kind in (BUILD_ENGINE, QUANTIZE)}
        others = {kind: handler for kind, handler in handlers.items() if kind not in builds}
        with maintained(settings, session, remote, emit, owner_name(), stop), _running(runner_of(builds, 1), stop):
            runner_of(others, concurrency).run(stop)
    _log.info("job_worker_stopped")


@contextmanager
def _running(runner: Runner, stop: threading.Event) -> Iterator[None]:
    """Runs jobs in a thread of their own while the block lasts; its end sets `stop`."""
    thread = threading.Thread(target=runner.run, args=(stop,), name="builds")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _machine_bytes(settings: Settings) -> int:
    """The most memory that one model can have here."""
    return machine_bytes(Hardware.for_settings(settings).kept_devices())


def _emit(counts: Counts, level_of_errors: str, name: str, facts: Mapping[str, object]) -> None:
    if name != ERROR:
        _log.info(name, **facts)
        return
    getattr(_log, level_of_errors)(name, **facts)
    if facts["job_kind"] == ARTIFACT_DOWNLOAD:
        counts.failed(str(facts["model_repo_name"]).partition("/")[0])


def log_event(name: str, facts: Mapping[str, object]) -> None:
    """Logs an event of the registry."""
    _log.info(name, **facts)


def _shared_store_away(error: PanopeError) -> None:
    _log.warning("shared_store_unreachable", reason=error.reason, message=error.message)


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
    file = log_file(
        settings.home_path / "logs/jobs.log", max_bytes=settings.log_file_bytes, kept=settings.log_file_count
    )
    configure_logging(settings.log_level, settings.log_format, file=file)
    counts = DownloadCounts()
    reporter = Reporter(counts, _reports())
    stop = stop_on_signals()
    try:
        with open_registry_session(settings, log_event) as session:
            # Beside the jobs: a folder may take long, and an import leaves nothing half done when the process ends.
            folders = threading.Thread(
                target=import_model_folders, args=(settings, session.registry), name="model-folders", daemon=True
            )
            folders.start()
            run_jobs(settings, session, stop, counts=counts)
    except PanopeError as error:
        _log.error("job_worker_failed", reason=error.reason, message=error.message)
        return 1
    finally:
        reporter.close()
    return 0


def _reports() -> BinaryIO:
    """Standard output, for reports alone: what others print there goes to standard error from now on."""
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return stream


if __name__ == "__main__":
    sys.exit(main())
