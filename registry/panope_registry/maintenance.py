"""The maintenance of a store: shares what is new, keeps the store within its limits, looks for damage."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from panope_backends.errors import PanopeError
from panope_registry.events import EventSink
from panope_registry.job_files import JobFiles
from panope_registry.job_handlers.requests import enqueue_share
from panope_registry.jobs import Jobs, JobStatus
from panope_registry.jobs.kinds import SHARE
from panope_registry.retention.retention import RetentionManager
from panope_registry.shared_store import Uploader
from panope_registry.store.file_locks import try_lock
from panope_registry.store.store import Store
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database

ROUND_SECONDS = 1.0
IDLE_SECONDS = 60.0
"""The pause before the next look for a file to hash, when none was due."""

SHARE_AGAIN_AFTER = timedelta(minutes=10)
"""The time after which a variant that could not be shared is tried again."""

MAX_FAILED = 1000


@dataclass(frozen=True)
class MaintenancePolicy:
    """How often each part of the maintenance runs, and how fast.

    Attributes:
        share_seconds: between two looks for what is to be shared, when nothing changed meanwhile.
        limit_seconds: between two looks whether the store is within its limits.
        expire_seconds: between two looks for files of jobs whose time is over.
        scrub_bytes_per_second: how fast files are hashed again; 0 for never.
        scrub_age: how long after its last hash a file is hashed again.
    """

    share_seconds: float = 60.0
    limit_seconds: float = 3600.0
    expire_seconds: float = 60.0
    scrub_bytes_per_second: int = 20_000_000
    scrub_age: timedelta = timedelta(days=30)


class _StoppingError(Exception):
    """The process is to end."""


class Maintenance:
    """Maintains one store, one process at a time: others that try wait until it ends.

    Args:
        database: of the registry.
        store: the store to maintain.
        retention: the retention of that store.
        jobs: the table that gets jobs which share.
        uploader: to the shared store; None when there is none.
        job_files: of that store.
        emit: takes the events of damage and of evictions.
        policy: how often each part runs, and how fast.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        retention: RetentionManager,
        jobs: Jobs,
        uploader: Uploader | None,
        job_files: JobFiles,
        emit: EventSink,
        policy: MaintenancePolicy,
    ) -> None:
        self._database = database
        self._store = store
        self._retention = retention
        self._jobs = jobs
        self._uploader = uploader
        self._job_files = job_files
        self._emit = emit
        self._policy = policy
        self._seen: int | None = None
        self._due: dict[Callable[[], object], float] = {}
        self._failing: dict[Callable[[], object], str] = {}
        self._stop = threading.Event()
        self._scrub_pause = ROUND_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop` is set; waits for an absent database."""
        lock = os.open(self._store.folder / "maintenance.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not try_lock(lock):
                if stop.wait(ROUND_SECONDS):
                    return
            scrubbing = threading.Thread(target=self._scrub_on, args=(stop,), name="scrub")
            scrubbing.start()
            while not stop.wait(ROUND_SECONDS):
                self._try(self._share)
                self._try(self._keep_limit)
                self._try(self._expire_job_files)
                self._database.keep_reserve()
            scrubbing.join()
        finally:
            os.close(lock)

    def _try(self, step: Callable[[], object]) -> None:
        """Runs a step; an absent database or a full disk is one event, and the next round tries again."""
        try:
            step()
        except PanopeError as error:
            if self._failing.get(step) != error.reason:
                self._emit("maintenance_failed", {"reason": error.reason})
            self._failing[step] = error.reason
        else:
            self._failing.pop(step, None)

    def _share(self) -> None:
        """Enqueues jobs for what is here and not in the shared store, however it came here."""
        if self._uploader is None:
            return
        token = self._database.change_token()
        if token == self._seen and not self._is_due(self._share, self._policy.share_seconds):
            return
        self._seen = token
        unshared = self._uploader.unshared()
        failed = self._failed_lately() if unshared else set()
        for digest in unshared:
            if digest not in failed:
                enqueue_share(self._jobs, digest, store=self._store.id, requested_by="maintenance")

    def _failed_lately(self) -> set[str]:
        since = now() - SHARE_AGAIN_AFTER
        failed = self._jobs.list(status=JobStatus.FAILED, kind=SHARE, limit=MAX_FAILED)
        return {
            job.payload["variant"]
            for job in failed
            if job.store == self._store.id and job.finished_at is not None and job.finished_at > since
        }

    def _keep_limit(self) -> None:
        """Evicts when a limit was lowered, or files came past it, such as those of registrations."""
        if self._is_due(self._keep_limit, self._policy.limit_seconds):
            evicted = self._retention.evict()
            if evicted.removed:
                facts = {"freed_bytes": evicted.freed_bytes, "variants": list(evicted.variants)}
                self._emit("store_evicted", facts | {"short_bytes": evicted.short_bytes})

    def _expire_job_files(self) -> None:
        """Removes the files of callers' jobs whose time is over."""
        if self._is_due(self._expire_job_files, self._policy.expire_seconds):
            self._job_files.sweep()

    def _scrub_on(self, stop: threading.Event) -> None:
        """Scrubs in a thread of its own, as one large file takes long at this speed."""
        self._stop = stop
        if self._policy.scrub_bytes_per_second == 0:
            return
        with suppress(_StoppingError):
            while not stop.wait(self._scrub_pause):
                self._try(self._scrub)

    def _scrub(self) -> None:
        checked = self._retention.scrub(self._policy.scrub_age, self._pace)
        self._scrub_pause = IDLE_SECONDS if checked is None else ROUND_SECONDS
        if checked is not None and (checked.is_damaged or checked.is_missing):
            facts = {"artifact_id": checked.sha256, "size_bytes": checked.size_bytes}
            if checked.is_damaged:
                self._emit("blob_damaged", facts)
            else:
                self._emit("blob_missing", facts)

    def _pace(self, size: int) -> None:
        if self._stop.wait(size / self._policy.scrub_bytes_per_second):
            raise _StoppingError

    def _is_due(self, step: Callable[[], object], seconds: float) -> bool:
        """Returns whether a step was not done for so long; it counts as done then."""
        if time.monotonic() < self._due.get(step, float("-inf")):
            return False
        self._due[step] = time.monotonic() + seconds
        return True
