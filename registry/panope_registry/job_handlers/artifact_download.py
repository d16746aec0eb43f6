"""The job `artifact_download`: downloads the files of one variant into the store, each verified, several at once.

A file that is here already costs nothing, and one that comes is recorded at once. One that fails ends the others; what
was downloaded of a file when the job ended is where the next attempt goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from panope_backends.errors import PreconditionError
from panope_registry.download import ExpectedBlob, OpenAt, Request, StopReason, Stream, in_segments
from panope_registry.events import EventSink, no_events
from panope_registry.job_handlers.download_progress import DownloadProgress
from panope_registry.job_handlers.quantize_targets import enqueue_quantizations
from panope_registry.job_handlers.requests import DownloadRequest, download_request
from panope_registry.job_handlers.variant_selection import choose_files, choose_variant
from panope_registry.jobs import JobContext
from panope_registry.models.types import MissingFile, ModelEntry, RepoFileEntry
from panope_registry.shared_store import SharedStoreSource
from panope_registry.sources.source import RemoteRevision, Source
from panope_registry.store.store import Blob


class DownloadRegistry(Protocol):
    """What the job needs of the registry."""

    @property
    def store_id(self) -> str:
        """The id of the store that this registry writes to."""

    def model(self, name: str) -> ModelEntry:
        """Returns one model."""

    def files(self, name: str) -> Sequence[RepoFileEntry]:
        """Returns the files of the revision that is served."""

    def missing_files(self, variant_digest: str) -> Sequence[MissingFile]:
        """Returns the files of a variant that are not here."""

    def record_downloaded(self, blobs: Iterable[Blob]) -> None:
        """Records that blobs are here."""


class FileDownloader(Protocol):
    """What the job needs of the downloader."""

    @property
    def concurrency(self) -> int:
        """The connections to use at a time."""

    def fetch_many(
        self,
        requests: Sequence[Request],
        progress: Callable[[int, int], None],
        stop: Callable[[], StopReason | None],
    ) -> Sequence[Blob]:
        """Fetches several files, verified, into the store."""


class ArtifactDownload:
    """The handler of `artifact_download`.

    Args:
        registry: knows what is missing and takes what has come.
        source: has the files.
        downloader: fetches them.
        emit: takes the events of a file's download that begins and ends.
        machine_bytes: the most memory that one model can have here; 0 when nobody knows.
        shared: the shared store, which is asked before the source; None when there is none.
    """

    def __init__(
        self,
        registry: DownloadRegistry,
        source: Source,
        downloader: FileDownloader,
        emit: EventSink = no_events,
        machine_bytes: int = 0,
        shared: SharedStoreSource | None = None,
    ) -> None:
        self._shared = shared
        self._registry = registry
        self._source = source
        self._downloader = downloader
        self._emit = emit
        self._machine_bytes = machine_bytes

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        """Downloads what is not here yet."""
        request = download_request(context.job.payload)
        files = self._missing(request)
        self.download(context, files)
        # The entry as it is now: smaller variants may be made of what has arrived.
        entry = self._registry.model(request.model)
        return {
            "model": request.model,
            "files": [file.path for file in files],
            "size_bytes": sum(file.size_bytes for file in files),
            "quantize_jobs": enqueue_quantizations(
                context.jobs, entry, context.job.requested_by, store=self._registry.store_id
            ),
        }

    def download(self, context: JobContext, files: Sequence[MissingFile]) -> None:
        """Downloads these files, as part of any job."""
        if not files:
            return
        download_progress = DownloadProgress(context, files, self._emit)
        # Fewer files than connections: each file gets several.
        connections = self._downloader.concurrency // len(files)
        requests = [self._request(index, file, download_progress, connections) for index, file in enumerate(files)]
        # An interrupted job makes `check` raise, which ends the downloads; what has arrived is kept.
        self._downloader.fetch_many(requests, lambda _done, _total: None, context.check)

    def _missing(self, request: DownloadRequest) -> Sequence[MissingFile]:
        entry = self._registry.model(request.model)
        if request.include:
            return choose_files(entry, self._registry.files(request.model), request.include)
        variant = choose_variant(entry, request, self._machine_bytes)
        if not variant.is_obtainable:
            raise PreconditionError(
                f"neither a hub nor a shared store has all files of model `{request.model}`; import it on this "
                "machine, or share it from the one that has it",
                reason="no_source",
            )
        return self._registry.missing_files(variant.digest)

    def _request(self, index: int, file: MissingFile, download_progress: DownloadProgress, connections: int) -> Request:
        def arrived(blob: Blob) -> None:
            self._registry.record_downloaded([blob])
            download_progress.finish(index)

        return Request(
            # The git hash of a large file is that of git's pointer to it and says nothing of the bytes.
            ExpectedBlob(file.sha256, None, file.size_bytes),
            self._opener(file, connections),
            download_progress.progress_of(index),
            arrived,
        )

    def _opener(self, file: MissingFile, connections: int) -> OpenAt:
        """Opens a file in the shared store before the hub, where there are both."""
        revision = RemoteRevision(file.repo, file.commit)

        def open_part(start: int, length: int | None) -> AbstractContextManager[Stream]:
            return self._source.open(revision, file.path, start, length)

        from_hub = in_segments(open_part, file.size_bytes, connections) if file.repo else None
        if self._shared is not None:
            return self._shared.opener(file.sha256, from_hub)
        assert from_hub is not None, "only a shared store has files of no repo"
        return from_hub
