"""Several downloads at once, told of as one."""

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
    together = _CombinedProgress(requests, progress, stop, clock)

    def fetched(place: int) -> Blob:
        try:
            return fetch(requests[place], together.progress_of(place), together.stop)
        except BaseException as error:
            together.end(error)  # before this thread takes the next file
            raise

    largest_first = sorted(range(len(requests)), key=lambda place: -requests[place].wanted.size_bytes)
    with DaemonPool(concurrency, "download") as pool:
        futures = {place: pool.submit(fetched, place) for place in largest_first}
        try:
            wait(futures.values(), return_when=FIRST_EXCEPTION)
        except BaseException:  # such as the user's Ctrl-C: the pool waits for its threads, which are to end
            together.end()
            raise
        if together.failure is not None:
            raise together.failure
    together.finish()
    return [futures[place].result() for place in range(len(requests))]


class _CombinedProgress:
    """Adds up the progress of several, and asks for all of them whether to go on; one call at a time.

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

    def progress_of(self, place: int) -> Progress:
        """What the download at this place in the list calls."""

        def progress(done: int, total: int) -> None:
            self._requests[place].progress(done, total)
            with self._lock:
                self._all_done += done - self._done[place]
                self._done[place] = done
                self._reporter.tick(self._all_done)

        return progress

    def stop(self) -> StopReason | None:
        """Whether to go on."""
        with self._lock:
            return self._ended or self._stop()

    def end(self, failure: BaseException | None = None) -> None:
        """Ends those that still run; what has arrived of them is kept, unless it was to be discarded.

        The first failure counts: those after it are its consequences.
        """
        with self._lock:
            if self._ended is None:
                self._ended = failure.reason if isinstance(failure, DownloadStopped) else StopReason.CANCEL
                self.failure = failure

    def finish(self) -> None:
        """Tells that everything is here."""
        self._reporter.finish()
