"""Made-up jobs that generate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rest_doubles.jobs import FakeJobs
from rest_doubles.models import FILMER

from panope_backends.errors import NotFoundError
from panope_registry.job_files import JobFile, files_expired
from panope_registry.jobs import JobEntry, JobProgress, JobStatus
from panope_server.generation_jobs.inputs import KINDS, split
from panope_server.generation_jobs.jobs import ServedFile
from panope_server.pipeline.call import Call
from panope_server.pipeline.step import Pipeline
from panope_server.tasks.catalog import task_of
from panope_server.tasks.vision.video_generation import VideoGenerationInput

CONTENT = bytes(range(256)) * 64
UNTIL = datetime(2999, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class FakeGenerationJobs:
    """Accepts what the pipeline's first steps let pass, and has made a file of every job."""

    jobs: FakeJobs
    folder: Path
    front: Pipeline | None = None
    keys: list[str] = field(default_factory=list)

    async def submit(self, call: Call, interface: str, idempotency_key: str = "") -> JobEntry:
        assert self.front is not None
        self.keys.append(idempotency_key)
        await self.front.take(call)
        model = replace(self.jobs.entries[1], id=3, kind=KINDS[task_of(call.input).name], status=JobStatus.QUEUED)
        values, _ = split(call.input)
        payload = {"model": call.requested_model, "input": values, "run": {"flow": "secret"}}
        job = replace(model, payload=payload, result={}, finished_at=None, requested_by=interface)
        self.jobs.entries[job.id] = job
        return job

    async def file(self, job_id: int, name: str = "") -> ServedFile:
        job = await self.jobs.get(job_id)
        if job.folder is None and job.files_until is not None:
            raise files_expired(job.id)
        names = [file["name"] for file in job.result.get("files", ())]
        if not names or name not in ("", *names):
            raise NotFoundError(f"job {job_id} has no such file", reason="job_file_not_found", field="name")
        return ServedFile(job, made(), self.folder / "made")

    async def delete_files(self, job_id: int) -> JobEntry:
        job = self.jobs.entries[job_id] = replace(await self.jobs.get(job_id), folder=None, files_until=UNTIL)
        return job

    def finish(self, job_id: int, kind: str = "generate_video") -> JobEntry:
        """Has a job succeed with a file."""
        (self.folder / "made").write_bytes(CONTENT)
        job = replace(
            self.jobs.entries[1],
            id=job_id,
            kind=kind,
            status=JobStatus.SUCCEEDED,
            payload={"model": FILMER, "input": msgspec.to_builtins(VideoGenerationInput("a fox"))},
            result={"model": FILMER, "files": [made().values], "expires_at": "2999-01-02T03:04:05Z"},
            progress=JobProgress("generate", 2, 2, "steps"),
            folder="folder",
            files_until=UNTIL,
        )
        self.jobs.entries[job_id] = job
        return job


def made() -> JobFile:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    facts = {"width": 64, "height": 32, "frames": 5, "frames_per_second": 16.0, "seed": 7}
    return JobFile("0.mp4", "video/mp4", len(CONTENT), sha256, facts)
