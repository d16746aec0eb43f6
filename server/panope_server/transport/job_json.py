"""Jobs as JSON, for REST and for the command line."""

from __future__ import annotations

from datetime import datetime

from panope_registry.jobs import JobEntry, JobStatus


def job_json(job: JobEntry) -> dict[str, object]:
    """A job as JSON's own types, times in RFC 3339."""
    return {
        "id": job.id,
        "kind": job.kind,
        "status": job.status.value,
        "payload": dict(job.payload),
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
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
