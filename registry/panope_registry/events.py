"""Events that the registry reports to whoever keeps a log.

Each event and its facts stand in docs/operations.md. Facts have the same names everywhere: `model_repo_name`,
`revision` (the commit), `job_id`, `artifact_id` (the sha256 of a file), `file_path`, `hash`, `duration_ms`,
`error_type`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

EventSink = Callable[[str, Mapping[str, object]], None]
"""Takes a stable name such as `repo_synced` and the facts."""

ERROR = "error"


def no_events(name: str, facts: Mapping[str, object]) -> None:
    """Drops every event, for callers that keep no log."""


def milliseconds_since(started: float) -> int:
    """Returns the whole milliseconds since a moment of `time.monotonic`'s clock."""
    return round((time.monotonic() - started) * 1000)
