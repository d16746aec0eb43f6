"""The values that describe jobs; none ever changes.

waiting ──▶ queued ──▶ running ──▶ succeeded
   │         ▲  │         │  └───▶ failed ──▶ (retry) queued or waiting
   │         │  │         └───────▶ queued (again later, or given back)
   └─────────┘  └──▶ cancelled ◀── running, waiting
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    """The states of a job."""

    WAITING = "waiting"
    """Not all jobs that it needs have succeeded."""
    QUEUED = "queued"
    """Goes to the next free runner once its `run_at` has come."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether only `retry` can bring it back."""
        return self not in OPEN


RUN = "run"
"""The key of a payload with what a handler alone needs, such as whom it works for; nobody is told it."""

OPEN = frozenset({JobStatus.WAITING, JobStatus.QUEUED, JobStatus.RUNNING})


@dataclass(frozen=True)
class JobPart:
    """The progress of one of several things that are done at once.

    Attributes:
        name: such as a file's path.
        done: of `total`, in the job's unit.
        total: 0 when unknown.
    """

    name: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class JobProgress:
    """The progress of a job.

    Attributes:
        phase: what it does now, such as `download`; empty before the handler has reported any.
        done: of `total`, in `unit`.
        total: 0 when unknown.
        unit: such as `bytes`.
        parts: what is in progress at this moment, when that is several things; what has ended is in `done` alone.
    """

    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    parts: tuple[JobPart, ...] = ()


@dataclass(frozen=True)
class JobEntry:
    """A job as it was at one moment.

    Attributes:
        kind: names its handler.
        payload: what is to be done.
        result: what the handler returned; {} until it succeeded.
        attempt: how often it was started; a start that a stopping runner gave back does not count.
        error_reason: of the last attempt that failed, also while the job is queued again; empty without one.
        error_message: a sentence for people.
        retryable: whether that error may go away with time.
        started_at: when the last attempt began.
        run_at: it starts no earlier.
        parent_id: the job that asked for this one; cancelling that cancels this.
        depends_on: the jobs that must succeed first, by id.
        requested_by: the user or part of Panope that asked for it; empty when unknown.
        store: the id of the store that its files are for, whose runners alone take it; None for any.
        owner: the caller that alone may know of it, beside administrators; None for jobs of the registry.
        folder: of its files, within those of its store; None without any.
        files_until: when the files go that it has made; None for none.
    """

    id: int
    kind: str
    status: JobStatus
    payload: Mapping[str, Any]
    result: Mapping[str, Any]
    progress: JobProgress
    attempt: int
    max_attempts: int
    error_reason: str
    error_message: str
    retryable: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_at: datetime
    parent_id: int | None
    depends_on: tuple[int, ...]
    requested_by: str
    store: str | None = None
    owner: str | None = None
    folder: str | None = None
    files_until: datetime | None = None

    @property
    def told_payload(self) -> Mapping[str, Any]:
        """The payload without what its handler alone needs."""
        return {key: value for key, value in self.payload.items() if key != RUN}
