"""What is public, as text that says every name once: each module lists one kind of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from surface_listings import go_client, python_client

#: Each snapshot and what makes it; None where this machine lacks the tools.
SNAPSHOTS: Mapping[str, Callable[[], str | None]] = {
    "go_client.txt": go_client.listing,
    "python_client.txt": python_client.listing,
}
