"""What is public, as text that says every name once: each module lists one kind of names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from surface_listings import (
    commands,
    error_reasons,
    events,
    go_client,
    home,
    metrics,
    protos,
    python_client,
    rest,
    settings,
    tables,
)

#: Each snapshot and what makes it; None where this machine lacks the tools.
SNAPSHOTS: Mapping[str, Callable[[], str | None]] = {
    "commands.txt": commands.listing,
    "error_reasons.txt": error_reasons.listing,
    "events.txt": events.listing,
    "go_client.txt": go_client.listing,
    "home.txt": home.listing,
    "metrics.txt": metrics.listing,
    "protos.txt": protos.listing,
    "python_client.txt": python_client.listing,
    "rest.txt": rest.listing,
    "settings.txt": settings.listing,
    "tables.txt": tables.listing,
}
