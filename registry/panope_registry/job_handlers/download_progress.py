"""The progress of one download: of all its files together, and of each in progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from panope_registry.events import EventSink, milliseconds_since
from panope_registry.jobs import JobContext, JobPart
from panope_registry.models.types import MissingFile

PHASE = "download"


class DownloadProgress:
    """Reports files that are downloaded at once to their job and as events. Safe for use by several threads.

    Args:
        context: of the job.
        files: the files to download.
        emit: takes the events of a file's download that begins and ends.
    """

    def __init__(self, context: JobContext, files: Sequence[MissingFile], emit: EventSink) -> None:
        self._context = context
        self._files = files
        self._emit = emit
        self._total = sum(file.size_bytes for file in files)
        self._finished = 0
        self._in_progress: dict[int, JobPart] = {}
        self._started: dict[int, float] = {}
        self._lock = threading.Lock()
        self._report()

    def progress_of(self, index: int) -> Callable[[int, int], None]:
        """Returns the progress callback of the file at this index."""

        def progress(done: int, total: int) -> None:
            with self._lock:
                begins = index not in self._started
                if begins:
                    self._started[index] = time.monotonic()
                self._in_progress[index] = JobPart(self._files[index].path, done, total)
                self._report()
            if begins:
                self._emit("artifact_download_start", self._facts(index))

        return progress

    def finish(self, index: int) -> None:
        """Counts the file at this index as downloaded."""
        with self._lock:
            started = self._started.pop(index)
            self._finished += self._in_progress.pop(index).total
            self._report()
        self._emit("artifact_download_finish", self._facts(index) | {"duration_ms": milliseconds_since(started)})

    def _report(self) -> None:
        parts = [part for _, part in sorted(self._in_progress.items())]
        done = self._finished + sum(part.done for part in parts)
        self._context.progress(PHASE, done, self._total, "bytes", parts)

    def _facts(self, index: int) -> dict[str, object]:
        file = self._files[index]
        return {
            "job_id": self._context.job.id,
            "model_repo_name": file.repo or self._context.job.payload.get("model", ""),
            "revision": file.commit,
            "file_path": file.path,
            "artifact_id": file.sha256,
            "hash": f"sha256:{file.sha256}",
            "size_bytes": file.size_bytes,
        }
