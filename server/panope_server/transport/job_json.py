"""Jobs as JSON, for REST and for the command line."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Required, TypedDict

from panope_backends.errors import NotFoundError
from panope_registry.jobs import JobEntry, JobStatus

MAX_DIGITS = 18
"""Of a job's id; those of no database have more."""

JobStatusJson = Literal["waiting", "queued", "running", "succeeded", "failed", "cancelled"]

_STATUSES: dict[JobStatus, JobStatusJson] = {
    JobStatus.WAITING: "waiting",
    JobStatus.QUEUED: "queued",
    JobStatus.RUNNING: "running",
    JobStatus.SUCCEEDED: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


class PartJson(TypedDict):
    """How far a part of a job is, such as a file."""

    name: str
    done: int
    total: int


class ProgressJson(TypedDict):
    """How far a job is, in `unit`; a `total` of 0 is unknown."""

    phase: str
    done: int
    total: int
    unit: str
    parts: list[PartJson]


class JobErrorJson(TypedDict):
    """Why a job failed."""

    reason: str
    message: str
    retryable: bool


class JobFileJson(TypedDict, total=False):
    """A file that a job has made, which `/v1/jobs/{id}/files/{name}` serves; a video alone has frames.

    Attributes:
        seed: by which the same request generates it again.
        flagged: whether the model's safety checker took offence; the image is black.
        has_audio: whether a video that got more frames has sound.
    """

    name: Required[str]
    media_type: Required[str]
    size_bytes: Required[int]
    sha256: Required[str]
    width: int
    height: int
    seed: int
    flagged: bool
    frames: int
    frames_per_second: float
    has_audio: bool


class JobJson(TypedDict):
    """A job; its `payload` is what was asked for, and its `result` what came of it once it succeeded.

    Attributes:
        attempt: counts from 1 once the job has begun.
        run_at: when it may begin, in RFC 3339 as all times are.
        parent_id: the job that asked for this one.
        depends_on: jobs that end before this one begins.
        store: the one whose files it changes; null for a job of any server.
        files: that it has made, until they expire.
        expires_at: when its files do; null without any.
    """

    id: int
    kind: str
    status: JobStatusJson
    payload: dict[str, Any]
    result: dict[str, Any] | None
    progress: ProgressJson
    attempt: int
    max_attempts: int
    error: JobErrorJson | None
    created_at: str | None
    started_at: str | None
    finished_at: str | None
    run_at: str | None
    parent_id: int | None
    depends_on: list[int]
    requested_by: str
    store: str | None
    files: list[JobFileJson]
    expires_at: str | None


class JobsJson(TypedDict):
    """Jobs, newest first.

    Attributes:
        has_more: whether `limit` cut the list.
    """

    jobs: list[JobJson]
    has_more: bool


def job_json(job: JobEntry) -> JobJson:
    """A job as JSON's own types, times in RFC 3339."""
    return {
        "id": job.id,
        "kind": job.kind,
        "status": _STATUSES[job.status],
        "payload": dict(job.told_payload),
        "result": dict(job.result) if job.status is JobStatus.SUCCEEDED else None,
        "progress": {
            "phase": job.progress.phase,
            "done": job.progress.done,
            "total": job.progress.total,
            "unit": job.progress.unit,
            "parts": [{"name": part.name, "done": part.done, "total": part.total} for part in job.progress.parts],
        },
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "error": {"reason": job.error_reason, "message": job.error_message, "retryable": job.retryable}
        if job.error_reason
        else None,
        "created_at": _moment(job.created_at),
        "started_at": _moment(job.started_at),
        "finished_at": _moment(job.finished_at),
        "run_at": _moment(job.run_at),
        "parent_id": job.parent_id,
        "depends_on": list(job.depends_on),
        "requested_by": job.requested_by,
        "store": job.store,
        "files": files_of(job),
        "expires_at": _moment(job.files_until),
    }


def job_id_of(given: str) -> int:
    """The id of a job in a path; NotFoundError for what is none."""
    # isdecimal() alone would take digits of other scripts, and int() any number of them.
    if not (given.isascii() and given.isdecimal() and len(given) <= MAX_DIGITS):
        raise NotFoundError("there is no such job", reason="job_not_found", field="job")
    return int(given)


def files_of(job: JobEntry) -> list[JobFileJson]:
    """The files that a job has made, while they are there."""
    if job.status is not JobStatus.SUCCEEDED or job.folder is None:
        return []
    files: list[JobFileJson] = job.result.get("files", [])
    return files


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
