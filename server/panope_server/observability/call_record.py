"""Whether a call has been counted: by the pipeline, or else by what stands around every method."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class CallRecord:
    """One call of a method, which may bring many requests to the pipeline, or none."""

    is_counted: bool = False


_current: ContextVar[CallRecord | None] = ContextVar("call_record", default=None)


def begin_record() -> CallRecord:
    """Begins the record of the call that this task answers."""
    record = CallRecord()
    _current.set(record)
    return record


def mark_counted() -> None:
    """Says that the pipeline has counted and logged what the call brought."""
    record = _current.get()
    if record is not None:
        record.is_counted = True
