"""Where the parts of Panope that a command runs in its own process log: to a file, never between a person's lines."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panope_server.config import Settings


MAX_BYTES = 1 << 20


def log_to_file(settings: Settings) -> None:
    """Has warnings and errors written to `logs/commands.log` of the home; what matters of them the command says."""
    _log_to(settings.home_path / "logs/commands.log")


@functools.cache
def _log_to(path: Path) -> None:
    from panope_server.observability.log_file import log_file
    from panope_server.observability.logging import configure_logging

    configure_logging("warning", stream=log_file(path, max_bytes=MAX_BYTES, kept=1))
