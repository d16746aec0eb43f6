"""How handlers tell of what they do, to whoever keeps a log.

Each event and its facts stand in docs/operations.md. Facts have the same names everywhere: `model_repo_name`,
`revision` (the commit), `job_id`, `artifact_id` (the sha256 of a file), `file_path`, `hash`, `duration_ms`,
`error_type`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from panope_registry.jobs import Handler, Interrupted, JobContext
from panope_registry.jobs.backoff import failure_of

Event = Callable[[str, Mapping[str, object]], None]
"""Takes a stable name such as `repo_synced` and the facts."""

ERROR = "error"


def ignore(name: str, facts: Mapping[str, object]) -> None:
    """For those who keep no log."""


def milliseconds_since(started: float) -> int:
    """Of `time.monotonic`'s clock."""
    return round((time.monotonic() - started) * 1000)


def telling(handler: Handler, tell: Event) -> Handler:
    """The handler, whose failed attempts are told as the event `error`; one that is interrupted has not failed."""

    def run(context: JobContext) -> Mapping[str, Any]:
        started = time.monotonic()
        try:
            return handler(context)
        except Interrupted:
            raise
        except Exception as error:
            # An error after an interruption is its consequence.
            if context.interruption is None:
                tell(ERROR, _facts(context, error) | {"duration_ms": milliseconds_since(started)})
            raise

    return run


def _facts(context: JobContext, error: Exception) -> dict[str, object]:
    failure, job = failure_of(error), context.job
    return {
        "job_id": job.id,
        "job_kind": job.kind,
        "attempt": job.attempt,
        "model_repo_name": job.payload.get("model", ""),
        "revision": job.payload.get("revision", ""),
        "error_type": failure.reason,
        "error_message": failure.message,
        "retryable": failure.retryable,
    }
