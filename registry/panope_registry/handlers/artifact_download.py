"""The job `artifact_download`: brings the files of one variant into the store, each verified, one after another.

A file that is here already costs nothing. What was downloaded of a file when the job ended is where the next attempt
goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from panope_registry.download import OpenAt, StopReason, WantedBlob
from panope_registry.entries import ModelEntry, RepoFileEntry, WantedFile
from panope_registry.handlers.choice import choose_files, choose_variant
from panope_registry.handlers.events import Event, ignore
from panope_registry.handlers.requests import DownloadRequest, download_request
from panope_registry.jobs import JobContext
from panope_registry.sources.source import RemoteRevision, Source
from panope_registry.store import Blob


class Wants(Protocol):
    """What the job needs of the registry."""

    def model(self, name: str) -> ModelEntry:
        """One model."""

    def files(self, name: str) -> Sequence[RepoFileEntry]:
        """The files of the revision that is served."""

    def wanted(self, variant_digest: str) -> Sequence[WantedFile]:
        """The files of a variant that are not here."""

    def record_downloaded(self, blobs: Iterable[Blob]) -> None:
        """Blobs are here."""


class Fetches(Protocol):
    """What the job needs of the downloader."""

    def fetch(
        self,
        wanted: WantedBlob,
        open_at: OpenAt,
        progress: Callable[[int, int], None],
        stop: Callable[[], StopReason | None],
    ) -> Blob:
        """One file, verified and in the store."""


class ArtifactDownload:
    """The handler.

    Args:
        registry: knows what is missing and takes what has come.
        source: has the files.
        downloader: brings them.
        tell: told when a file's download begins and ends.
    """

    def __init__(self, registry: Wants, source: Source, downloader: Fetches, tell: Event = ignore) -> None:
        self._registry = registry
        self._source = source
        self._downloader = downloader
        self._tell = tell

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        """Downloads what is not here yet."""
        request = download_request(context.job.payload)
        files = self._missing(request)
        for file in files:
            context.check()
            self._fetch(context, file)
        return {
            "model": request.model,
            "files": [file.path for file in files],
            "size_bytes": sum(file.size_bytes for file in files),
        }

    def _missing(self, request: DownloadRequest) -> Sequence[WantedFile]:
        entry = self._registry.model(request.model)
        if request.include:
            return choose_files(entry, self._registry.files(request.model), request.include)
        return self._registry.wanted(choose_variant(entry, request).digest)

    def _fetch(self, context: JobContext, file: WantedFile) -> None:
        facts = {"job_id": context.job.id, "model": file.repo, "file": file.path, "sha256": file.sha256}
        self._tell("artifact_download_start", facts | {"size_bytes": file.size_bytes})
        started = time.monotonic()
        revision = RemoteRevision(file.repo, file.commit)
        context.progress(file.path, 0, file.size_bytes, "bytes")
        blob = self._downloader.fetch(
            # The git hash of a large file is that of git's pointer to it and says nothing of the bytes.
            WantedBlob(file.sha256, None, file.size_bytes),
            lambda start: self._source.open(revision, file.path, start),
            lambda done, total: context.progress(file.path, done, total, "bytes"),
            lambda: _go_on(context),
        )
        self._registry.record_downloaded([blob])
        seconds = round(time.monotonic() - started, 3)
        self._tell("artifact_download_finish", facts | {"size_bytes": blob.size_bytes, "seconds": seconds})


def _go_on(context: JobContext) -> None:
    """Ends the download, which keeps what has arrived, when the job is to end."""
    context.check()
