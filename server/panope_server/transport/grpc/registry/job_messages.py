"""Jobs as messages of the public protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from panope.v1 import job_service_pb2 as pb
from panope_backends.errors import InvalidInputError
from panope_registry.jobs import JobEntry, JobProgress, JobStatus
from panope_server.transport.grpc.registry.model_messages import timestamp
from panope_server.transport.job_json import files_of

STATUSES = {
    JobStatus.WAITING: pb.Job.STATUS_WAITING,
    JobStatus.QUEUED: pb.Job.STATUS_QUEUED,
    JobStatus.RUNNING: pb.Job.STATUS_RUNNING,
    JobStatus.SUCCEEDED: pb.Job.STATUS_SUCCEEDED,
    JobStatus.FAILED: pb.Job.STATUS_FAILED,
    JobStatus.CANCELLED: pb.Job.STATUS_CANCELLED,
}


def job_message(job: JobEntry) -> pb.Job:
    """A job."""
    message = pb.Job(
        id=job.id,
        kind=job.kind,
        status=STATUSES[job.status],
        payload_json=_json(job.told_payload),
        result_json=_json(job.result) if job.status is JobStatus.SUCCEEDED else "",
        progress=_progress(job.progress),
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        create_time=timestamp(job.created_at),
        parent_id=job.parent_id or 0,
        depends_on=job.depends_on,
        requested_by=job.requested_by,
        store=job.store or "",
        files=[file_message(file) for file in files_of(job)],
    )
    if job.error_reason:
        message.error.CopyFrom(pb.JobError(reason=job.error_reason, message=job.error_message, retryable=job.retryable))
    moments = {"start_time": job.started_at, "finish_time": job.finished_at, "run_time": job.run_at}
    moments["expire_time"] = job.files_until
    for field, moment in moments.items():
        if moment is not None:
            getattr(message, field).CopyFrom(timestamp(moment))
    return message


def file_message(values: Mapping[str, Any]) -> pb.JobFile:
    """A file that a job has made."""
    return pb.JobFile(**values)


def id_of(given: int) -> int:
    """The id of a request; InvalidInputError for none."""
    if given == 0:
        raise InvalidInputError("`id` is missing", field="id")
    return given


def _progress(progress: JobProgress) -> pb.JobProgress:
    return pb.JobProgress(
        phase=progress.phase,
        done=progress.done,
        total=progress.total,
        unit=progress.unit,
        parts=[pb.JobProgressPart(name=part.name, done=part.done, total=part.total) for part in progress.parts],
    )


def _json(value: object) -> str:
    return orjson.dumps(value, default=dict).decode()
