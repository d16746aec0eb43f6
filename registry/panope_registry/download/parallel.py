"""Several downloads at once, whose progress is reported as one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait

from panope_registry.download.daemon_pool import DaemonPool
from panope_registry.download.progress import Clock, ProgressReporter
from panope_registry.download.types import DownloadStopped, Progress, Request, Stop, StopReason
from panope_registry.store.store import Blob

Fetch = Callable[[Request, Progress, Stop], Blob]


def fetch_in_parallel(
    requests: Sequence[Request], fetch: Fetch, progress: Progress, stop: Stop, concurrency: int, clock: Clock
) -> list[Blob]:
    """Fetches all, `concurrency` of them at once, the largest first; the first failure ends the others and is raised.

    Returns:
        the blobs in the order of the requests.
    """
    combined = _CombinedProgress(requests, progress, stop, clock)

    def fetched(index: int) -> Blob:
        try:
            return fetch(requests[index], combined.progress_of(index), combined.stop)
        except BaseException as error:
            combined.end(error)  # before this thread takes the next file
            raise

    largest_first = sorted(range(len(requests)), key=lambda index: -requests[index].wanted.size_bytes)
    with DaemonPool(concurrency, "download") as pool:
        futures = {index: pool.submit(fetched, index) for index in largest_first}
        try:
            wait(futures.values(), return_when=FIRST_EXCEPTION)
        except BaseException:  # such as the user's Ctrl-C: the pool waits for its threads, which are to end
            combined.end()
            raise
        if combined.failure is not None:
            raise combined.failure
    combined.finish()
    return [futures[index].result() for index in range(len(requests))]


class _CombinedProgress:
    """Adds up the progress of several downloads, and stops all of them together; one call at a time.

    Attributes:
        failure: of the first that failed; None when none has.
    """

    def __init__(self, requests: Sequence[Request], progress: Progress, stop: Stop, clock: Clock) -> None:
        self._requests = requests
        self._stop = stop
        self._lock = threading.Lock()
        self._ended: StopReason | None = None
        self.failure: BaseException | None = None
        self._done = [0] * len(requests)
        self._all_done = 0
        total = sum(request.wanted.size_bytes for request in requests)
        self._reporter = ProgressReporter(total, progress, lambda: None, clock)

    def progress_of(self, index: int) -> Progress:
        """Returns the progress callback of the download at this index."""

        def progress(done: int, total: int) -> None:
            self._requests[index].progress(done, total)
            with self._lock:
                self._all_done += done - self._done[index]
                self._done[index] = done
                self._reporter.tick(self._all_done)

        return progress

    def stop(self) -> StopReason | None:
        """Returns why the downloads should stop; None while they may go on."""
        with self._lock:
            return self._ended or self._stop()

    def end(self, failure: BaseException | None = None) -> None:
        """Stops the downloads that still run; what has arrived of them is kept, unless it was to be discarded.

        The first failure counts: those after it are its consequences.
        """
        with self._lock:
            if self._ended is None:
                self._ended = failure.reason if isinstance(failure, DownloadStopped) else StopReason.CANCEL
                self.failure = failure

    def finish(self) -> None:
        """Reports that everything is here."""
        self._reporter.finish()
