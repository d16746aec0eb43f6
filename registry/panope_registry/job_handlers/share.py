"""The job `share`: uploads a variant's files to the shared store, where other machines find them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from panope_registry.events import EventSink, milliseconds_since, no_events
from panope_registry.jobs import JobContext
from panope_registry.shared_store import Uploader


class Share:
    """The handler of `share`.

    Args:
        uploader: uploads them.
        emit: takes the event of a variant that is there.
    """

    def __init__(self, uploader: Uploader, emit: EventSink = no_events) -> None:
        self._uploader = uploader
        self._emit = emit

    def __call__(self, context: JobContext) -> Mapping[str, Any]:
        """Uploads what is not there yet."""
        digest = context.job.payload["variant"]
        started = time.monotonic()
        shared = self._uploader.push(
            digest, lambda done, total: context.progress("share", done, total, "bytes"), context.check
        )
        facts = {"job_id": context.job.id, "variant": digest, "size_bytes": shared.size_bytes}
        self._emit("share_finish", facts | {"duration_ms": milliseconds_since(started)})
        return {"variant": digest, "files": len(shared.sha256s), "size_bytes": shared.size_bytes}
