"""Made-up jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from rest_doubles.models import EMBEDDER

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.jobs import JobEntry, JobPart, JobProgress, JobStatus
from panope_registry.jobs.kinds import ARTIFACT_DOWNLOAD, REPO_SYNC


@dataclass
class FakeJobs:
    """One job that runs, and what was asked of it."""

    entries: dict[int, JobEntry]
    asked: list[tuple[str, object]] = field(default_factory=list)
    failure: Exception | None = None
    endless: bool = False

    async def list(
        self, *, status: JobStatus | None = None, kind: str = "", after: int = 0, limit: int = 100
    ) -> list[JobEntry]:
        self.asked.append(("list", (status, kind, after, limit)))
        newest_first = sorted(self.entries.values(), key=lambda job: -job.id)
        return [
            job
            for job in newest_first
            if status in {None, job.status} and kind in {"", job.kind} and (not after or job.id < after)
        ][:limit]

    async def get(self, job_id: int) -> JobEntry:
        if job_id not in self.entries:
            raise NotFoundError(f"job {job_id} does not exist", reason="job_not_found", field="job_id")
        return self.entries[job_id]

    async def cancel(self, job_id: int) -> JobEntry:
        self.asked.append(("cancel", job_id))
        return await self._put(job_id, JobStatus.CANCELLED)

    async def retry(self, job_id: int) -> JobEntry:
        self.asked.append(("retry", job_id))
        if (await self.get(job_id)).status is not JobStatus.CANCELLED:
            raise PreconditionError(f"job {job_id} has not failed", reason="job_not_failed")
        return await self._put(job_id, JobStatus.QUEUED)

    async def watch(self, job_id: int) -> AsyncIterator[JobEntry]:
        yield await self.get(job_id)
        if self.failure is not None:
            raise self.failure
        if self.endless:
            await asyncio.Event().wait()
        yield await self._put(job_id, JobStatus.SUCCEEDED)

    async def _put(self, job_id: int, status: JobStatus) -> JobEntry:
        self.entries[job_id] = changed = replace(await self.get(job_id), status=status)
        return changed


def job_entries() -> dict[int, JobEntry]:
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    download = JobEntry(
        id=2,
        kind=ARTIFACT_DOWNLOAD,
        status=JobStatus.RUNNING,
        payload={"model": EMBEDDER},
        result={},
        progress=JobProgress("download", 1 << 33, 1 << 34, "bytes", (JobPart("model.safetensors", 1 << 33, 1 << 34),)),
        attempt=2,
        max_attempts=5,
        error_reason="source_unavailable",
        error_message="the hub does not answer",
        retryable=True,
        created_at=created,
        started_at=created,
        finished_at=None,
        run_at=created,
        parent_id=None,
        depends_on=(1,),
        requested_by="rest",
    )
    sync = replace(
        download,
        id=1,
        kind=REPO_SYNC,
        status=JobStatus.SUCCEEDED,
        result={"task": "embed"},
        progress=JobProgress(),
        attempt=1,
        error_reason="",
        error_message="",
        finished_at=created,
        depends_on=(),
    )
    return {1: sync, 2: download}
