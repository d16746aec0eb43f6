"""What a backend is told of the server's settings, beside what its task is told."""

from __future__ import annotations

from pathlib import Path

from panope_backends.upstreams.description import FILE, FORMAT, read_upstream
from panope_server.config import Settings
from panope_server.config.remote import access_of


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
    return access_of(settings, read_upstream((folder / FILE).read_bytes()).url).to_bytes()
