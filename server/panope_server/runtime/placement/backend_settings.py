"""What a backend is told of the server's settings, beside what its task is told."""

from __future__ import annotations

from pathlib import Path

import msgspec

from panope_backends.upstreams.description import FILE, FORMAT, read_upstream
from panope_server.config import Settings
from panope_server.config.remote import access_of

_PART_OF_HANG = 0.8


def backend_settings(settings: Settings, variant_format: str, folder: Path) -> bytes:
    """The message for the backend that loads a variant; empty for most. It reads files.

    Args:
        settings: of this server.
        variant_format: such as `remote`.
        folder: of the variant's files.

    Raises:
        PreconditionError: the settings do not let it run.
    """
    if variant_format != FORMAT:
        return b""
    upstream = read_upstream((folder / FILE).read_bytes())
    access = access_of(settings, upstream.url)
    if upstream.task != "generate":  # a run is waited for, and a worker that waits for too long is taken for hung
        longest = settings.workers.hang_timeout_seconds * _PART_OF_HANG
        access = msgspec.structs.replace(access, total_timeout_seconds=min(access.total_timeout_seconds, longest))
    return access.to_bytes()
