"""Reports the attempts of jobs that fail."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from panope_registry.events import ERROR, EventSink, milliseconds_since
from panope_registry.jobs import Handler, Interrupted, JobContext
from panope_registry.jobs.failure import failure_of


def log_failures(handler: Handler, emit: EventSink) -> Handler:
    """Wraps a handler: each attempt that fails is emitted as the event `error`; an interrupted one has not failed."""

    def run(context: JobContext) -> Mapping[str, Any]:
        started = time.monotonic()
        try:
            return handler(context)
        except Interrupted:
            raise
        except Exception as error:
            # An error after an interruption is its consequence.
            if context.interruption is None:
                emit(ERROR, _facts(context, error) | {"duration_ms": milliseconds_since(started)})
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
