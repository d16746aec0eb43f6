"""What `panope gc --shared` and `panope verify --shared` do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from panope_server.cli.options import settings_for
from panope_server.cli.output.console import bytes_text, console, fail, print_json, print_table
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_registry.retention.types import VerificationResult
    from panope_registry.shared_store.gc import RemoteRetention, RemoteVerificationResult


def gc(dry_run: bool, home: str | None, config: Path | None, *, json: bool) -> None:
    """Removes what no machine needs."""
    with _retention(home, config) as retention:
        collected = retention.collect(dry_run=dry_run)
    if json:
        print_json(asdict(collected) | {"freed_bytes": collected.freed_bytes, "dry_run": dry_run})
        return
    rows = ((found.sha256, bytes_text(found.size_bytes)) for found in collected.removed)
    print_table(("SHA256", "SIZE"), rows, empty="nothing is there that nothing needs")
    word = "would be" if dry_run else "are"
    console.print(f"{bytes_text(collected.freed_bytes)} {word} free again")
    if collected.missing:
        console.print(f"{len(collected.missing)} recorded files are missing")


def verify(home: str | None, config: Path | None, *, json: bool) -> None:
    """Looks whether everything is there; exit code 1 when it is not."""
    with _retention(home, config) as retention:
        verified = retention.verify()
    tell_verified(verified, "of another size, removed", json=json)


def tell_verified(verified: VerificationResult | RemoteVerificationResult, damaged: str, *, json: bool) -> None:
    """Prints what was looked at; exit code 1 when something is wrong with it.

    Args:
        verified: what was found.
        damaged: what is said of each file that is another than it should be.
        json: whether a program reads it.
    """
    if json:
        print_json(asdict(verified))
    else:
        console.print(f"{verified.checked} files, {bytes_text(verified.checked_bytes)}")
        for word, found in ((damaged, verified.damaged), ("missing", verified.missing)):
            for sha256 in found:
                console.print(f"{word}: {sha256}")
    if verified.damaged or verified.missing:
        raise SystemExit(1)


@contextmanager
def _retention(home: str | None, config: Path | None) -> Iterator[RemoteRetention]:
    from panope_registry.shared_store.factory import open_remote_store
    from panope_registry.shared_store.gc import RemoteRetention
    from panope_server.app.registry_session import shared_store_location

    settings = settings_for(home, config=config)
    location = shared_store_location(settings)
    if location is None:
        fail("there is no shared store: `shared_store.url` is not set", 2)
    with registry_session(settings) as session:
        yield RemoteRetention(session.database, open_remote_store(location))
