"""The handlers by kind of job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from panope_registry.download import Downloader
from panope_registry.events import EventSink, no_events
from panope_registry.job_handlers.artifact_download import ArtifactDownload
from panope_registry.job_handlers.build import Build
from panope_registry.job_handlers.conversion_runner import ConversionRunner
from panope_registry.job_handlers.failures import log_failures
from panope_registry.job_handlers.repo_sync import RepoSync
from panope_registry.jobs import Handler
from panope_registry.jobs.kinds import ARTIFACT_DOWNLOAD, BUILD_ENGINE, QUANTIZE, REPO_SYNC
from panope_registry.registry import Registry
from panope_registry.shared_store import SharedStoreSource
from panope_registry.sources.source import Source


def handlers_for(
    registry: Registry,
    source: Source,
    downloader: Downloader,
    emit: EventSink = no_events,
    machine_bytes: int = 0,
    *,
    conversion_runner: ConversionRunner,
    scratch: Path,
    shared: SharedStoreSource | None = None,
    check_vendor: Callable[[str], None],
) -> Mapping[str, Handler]:
    """Returns what a worker needs to run every kind of job but `share`, which runs beside the others and holds up none.

    Args:
        registry: of the models.
        source: the hub that has them.
        downloader: that fetches them.
        emit: takes events.
        machine_bytes: the most memory that a model can have here; 0 when nobody knows.
        conversion_runner: makes variants.
        scratch: where it may make them.
        shared: the shared store; None when there is none.
        check_vendor: raises PermissionDeniedError for a model that may not be registered.
    """
    download = ArtifactDownload(registry, source, downloader, emit, machine_bytes, shared)
    build = Build(registry, download, conversion_runner, scratch, emit)
    handlers: Mapping[str, Handler] = {
        REPO_SYNC: RepoSync(registry, source, emit, check_vendor),
        ARTIFACT_DOWNLOAD: download,
        BUILD_ENGINE: build,
        QUANTIZE: build,
    }
    return {kind: log_failures(handler, emit) for kind, handler in handlers.items()}
