"""How handlers tell of what they do, to whoever keeps a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Event = Callable[[str, Mapping[str, object]], None]
"""Takes a stable name such as `repo_synced` and the facts."""


def ignore(name: str, facts: Mapping[str, object]) -> None:
    """For those who keep no log."""
