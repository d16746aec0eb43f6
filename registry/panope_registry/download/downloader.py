"""Downloads files into the store: resumed at the last byte, verified before they have a name.

look in the store        bytes that are here are not fetched again, whichever repo needs them
reserve its space        before the first byte
lock the partial         one writer over all processes; the others wait and then find the blob
hash what is here        and ask for the rest
receive                  hashed while written; a connection that breaks is opened again from there
compare                  size and hash, or begin once more from nothing
sync, rename             from now on it is a blob
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from panope_backends.errors import AvailabilityError, DataLossError
from panope_backends.retry import RetryPolicy
from panope_registry.download.leftovers import discard_leftover
from panope_registry.download.locks import locked
from panope_registry.download.parallel import fetch_in_parallel
from panope_registry.download.partial import Partial, missing_bytes, part_path, remove_partial
from panope_registry.download.progress import Clock, ProgressReporter
from panope_registry.download.retries import DOWNLOAD_RETRIES, RETRYABLE, RetryState
from panope_registry.download.space import DiskSpace, Space, disk_full
from panope_registry.download.stream import OpenAt
from panope_registry.download.types import DownloadStopped, ExpectedBlob, Progress, Request, Stop, StopReason
from panope_registry.store.store import Blob, BlobError, Store, VerifyPolicy

FREE_SPACE_FLOOR_BYTES = 1 << 30
CONCURRENCY = 4


class Downloader:
    """Downloads into one store. Safe for use by several threads, and beside those of other processes.

    Args:
        store: that gets the files.
        free_space_floor_bytes: what stays free on the store's disk.
        space: reserves space for what is to come; None looks at the disk alone.
        retry_policy: for sources that fail.
        clock: for tests to replace.
        concurrency: how many files `fetch_many` fetches at a time; with fewer, each may come over several connections.
    """

    def __init__(
        self,
        store: Store,
        *,
        free_space_floor_bytes: int = FREE_SPACE_FLOOR_BYTES,
        space: Space | None = None,
        retry_policy: RetryPolicy = DOWNLOAD_RETRIES,
        clock: Clock | None = None,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._store = store
        self._floor = free_space_floor_bytes
        self._space = space or DiskSpace(store, free_space_floor_bytes)
        self._retry_policy = retry_policy
        self._clock = clock or Clock()
        self.concurrency = concurrency

    def fetch(
        self,
        wanted: ExpectedBlob,
        open_at: OpenAt,
        progress: Progress = lambda _done, _total: None,
        stop: Stop = lambda: None,
        *,
        held_in: Path | None = None,
    ) -> Blob:
        """Fetches one file, verified, into the store.

        Args:
            wanted: what it must be.
            open_at: opens it elsewhere, at a place.
            progress: called at most ten times a second, and at the end.
            stop: says when to end early; a source that stalls is waited for up to its own idle limit before.
            held_in: a staging folder of the store that the caller keeps until it has recorded the blob, so that
                nobody removes it before; needed when the database knows nothing that refers to the file.

        Raises:
            DataLossError: what arrived was not the file, twice (`data_loss`); nothing of it is kept.
            CapacityError: it does not fit (`disk_full`, `store_full`); what has arrived is kept.
            AvailabilityError: the source fails and goes on failing; what has arrived is kept.
            DownloadStopped: `stop` said so.
            PanopeError: the source refuses.
        """
        with self._space.reserve([wanted]):
            return self._fetch_reported(wanted, open_at, progress, stop, held_in)

    def fetch_many(
        self,
        requests: Sequence[Request],
        progress: Progress = lambda _done, _total: None,
        stop: Stop = lambda: None,
        *,
        held_in: Path | None = None,
    ) -> list[Blob]:
        """Fetches several files, some at once; `progress` counts all of them together, and one failure ends the others.

        The largest begin first, so that none of them is left to come alone at the end. What has arrived is kept. The
        blobs are in the order of the requests.

        Raises:
            PanopeError, DownloadStopped: as `fetch`, for the file that failed first.
        """

        def fetch(request: Request, progress: Progress, stop: Stop) -> Blob:
            blob = self._fetch_reported(request.wanted, request.open_at, progress, stop, held_in)
            request.arrived(blob)
            return blob

        with self._space.reserve([request.wanted for request in requests]):
            return fetch_in_parallel(requests, fetch, progress, stop, self.concurrency, self._clock)

    def missing_bytes(self, wanted: ExpectedBlob) -> int:
        """Returns how much of a file is still to come, as far as sizes tell."""
        return missing_bytes(self._store, wanted.key, wanted.size_bytes)

    def _fetch_reported(
        self, wanted: ExpectedBlob, open_at: OpenAt, progress: Progress, stop: Stop, held_in: Path | None
    ) -> Blob:
        reporter = ProgressReporter(wanted.size_bytes, progress, stop, self._clock)
        try:
            with disk_full(self._store.folder, lambda: self.missing_bytes(wanted), self._floor):
                blob = self._fetch(wanted, open_at, reporter, held_in)
        except DownloadStopped as stopped:
            if stopped.reason is StopReason.DISCARD:
                discard_leftover(self._store, wanted.key)
            raise
        reporter.finish()
        return blob

    def _fetch(self, wanted: ExpectedBlob, open_at: OpenAt, reporter: ProgressReporter, held_in: Path | None) -> Blob:
        reporter.check()
        lock = self._part(wanted).with_suffix(".lock")
        with locked(lock, lambda: self._wait_for_other(wanted, reporter)):
            return self._here(wanted, held_in) or self._download(wanted, open_at, reporter, held_in)

    def _here(self, wanted: ExpectedBlob, held_in: Path | None) -> Blob | None:
        """Returns the blob, if it is in the store and intact; then nobody goes on with a partial of it."""
        if wanted.sha256 is None:
            return None
        if held_in is not None:
            self._store.hold(wanted.sha256, held_in)
        try:
            fingerprint = self._store.verify(wanted.sha256, wanted.size_bytes, "", VerifyPolicy.ALWAYS)
        except BlobError:
            return None
        assert fingerprint is not None
        remove_partial(self._part(wanted))
        return Blob(wanted.sha256, wanted.size_bytes, fingerprint)

    def _download(
        self, wanted: ExpectedBlob, open_at: OpenAt, reporter: ProgressReporter, held_in: Path | None
    ) -> Blob:
        with Partial(self._store.downloads, wanted) as partial:
            partial.resume(reporter.tick)
            self._receive(partial, open_at, reporter)
            if not partial.is_intact:
                partial.restart()
                self._receive(partial, open_at, reporter)
            if not partial.is_intact:
                partial.forget()
                raise DataLossError("the source sent something else than the file, twice; nothing of it was kept")
            return self._keep(partial, held_in)

    def _keep(self, partial: Partial, held_in: Path | None) -> Blob:
        partial.seal()
        if held_in is not None:
            self._store.hold(partial.sha256, held_in)
        blob = self._store.place(partial.path, partial.sha256)
        partial.forget()
        return blob

    def _receive(self, partial: Partial, open_at: OpenAt, reporter: ProgressReporter) -> None:
        """Fills it, over as many connections as that takes; ends early when the source has a file of another size."""
        retries = RetryState(self._retry_policy, partial.size)
        while partial.missing_bytes > 0:
            try:
                if not _receive_once(partial, open_at, reporter):
                    return
                problem = AvailabilityError("the source's answer ended before the file did", reason=RETRYABLE)
            except AvailabilityError as error:
                problem = error
            if partial.missing_bytes > 0:
                reporter.wait(retries.wait_seconds(problem, partial.size))

    def _wait_for_other(self, wanted: ExpectedBlob, reporter: ProgressReporter) -> None:
        reporter.wait()
        reporter.tick(wanted.size_bytes - self.missing_bytes(wanted))

    def _part(self, wanted: ExpectedBlob) -> Path:
        return part_path(self._store, wanted.key)


def _receive_once(partial: Partial, open_at: OpenAt, reporter: ProgressReporter) -> bool:
    """Receives over one connection; False when the source's file has another size than the one that is wanted."""
    asked_from = partial.size
    with open_at(asked_from) as stream:
        if stream.total_bytes not in (None, partial.total_bytes):
            return False
        if stream.start == 0 < asked_from:  # the range was ignored
            partial.restart()
        elif stream.start != asked_from:
            raise AvailabilityError("the source sent another part than was asked for", reason="source_protocol")
        before = partial.size
        for chunk in stream.chunks():
            partial.write(chunk)
            reporter.tick(partial.size)
            if partial.missing_bytes < 0:
                return False
    if partial.size == before:  # it has nothing from here on, so what is here may not be its file's beginning
        partial.restart()
    return True
