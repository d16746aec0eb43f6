"""How far the files of one download are: all together, and each of those at hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from panope_registry.events import EventSink, milliseconds_since
from panope_registry.jobs import JobContext, JobPart
from panope_registry.models.types import MissingFile

PHASE = "download"


class DownloadProgress:
    """Tells a job and a log of files that come at once. Safe for use by several threads.

    Args:
        context: of the job.
        files: that are to come.
        emit: told when a file's download begins and ends.
    """

    def __init__(self, context: JobContext, files: Sequence[MissingFile], emit: EventSink) -> None:
        self._context = context
        self._files = files
        self._emit = emit
        self._total = sum(file.size_bytes for file in files)
        self._finished = 0
        self._at_hand: dict[int, JobPart] = {}
        self._began: dict[int, float] = {}
        self._lock = threading.Lock()
        self._show()

    def progress_of(self, place: int) -> Callable[[int, int], None]:
        """What the download of the file at this place is to call."""

        def progress(done: int, total: int) -> None:
            with self._lock:
                begins = place not in self._began
                if begins:
                    self._began[place] = time.monotonic()
                self._at_hand[place] = JobPart(self._files[place].path, done, total)
                self._show()
            if begins:
                self._emit("artifact_download_start", self._facts(place))

        return progress

    def finish(self, place: int) -> None:
        """The file at this place is here."""
        with self._lock:
            began = self._began.pop(place)
            self._finished += self._at_hand.pop(place).total
            self._show()
        self._emit("artifact_download_finish", self._facts(place) | {"duration_ms": milliseconds_since(began)})

    def _show(self) -> None:
        parts = [part for _, part in sorted(self._at_hand.items())]
        done = self._finished + sum(part.done for part in parts)
        self._context.progress(PHASE, done, self._total, "bytes", parts)

    def _facts(self, place: int) -> dict[str, object]:
        file = self._files[place]
        return {
            "job_id": self._context.job.id,
            "model_repo_name": file.repo or self._context.job.payload.get("model", ""),
            "revision": file.commit,
            "file_path": file.path,
            "artifact_id": file.sha256,
            "hash": f"sha256:{file.sha256}",
            "size_bytes": file.size_bytes,
        }
