"""Commands on the store: which files a model has, what takes room, what may go, whether all of it is intact."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from panope_server.cli.options import ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import bytes_text, console, fail, print_json, print_table
from panope_server.cli.registry_session import registry_session, user_name
from panope_server.cli.store import shared_store

Remote = Annotated[bool, typer.Option("--shared", help="Of the shared store (`shared_store.url`), not this machine's.")]


def files(model: Model, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the files of a model's repo, whether they are here or not."""
    with registry_session(settings_for(home, config=config)) as session:
        revision = session.published_files.revision(model)
    if json:
        print_json({"model": model, "commit": revision.commit, "files": [asdict(file) for file in revision.files]})
        return
    rows = (
        (file.path, file.kind, bytes_text(file.size_bytes), "here" if file.is_local else "-", file.sha256[:12] or "-")
        for file in revision.files
    )
    print_table(("PATH", "KIND", "SIZE", "STATE", "SHA256"), rows, empty="no files")


def rm(model: Model, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Delete a model, and the files that nothing else needs."""
    with (
        registry_session(settings_for(home, config=config)) as session,
        session.audit.recording(user_name(), "models.delete", model),
    ):
        removed = session.retention.remove_model(model)
    if json:
        print_json({"model": model, "variants": removed.variants, "freed_bytes": removed.freed_bytes})
    else:
        console.print(f"deleted {model}; {bytes_text(removed.freed_bytes)} are free again")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go, and remove nothing.")] = False,
    remote: Remote = False,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Remove what nothing needs any more, and record what is missing."""
    if remote:
        shared_store.gc(dry_run, home, config, json=json)
        return
    with registry_session(settings_for(home, config=config)) as session:
        collected = session.retention.collect(dry_run=dry_run)
    if json:
        print_json(asdict(collected) | {"freed_bytes": collected.freed_bytes, "dry_run": dry_run})
        return
    rows = ((removal.kind.value, removal.name, bytes_text(removal.size_bytes)) for removal in collected.removed)
    print_table(("WHAT", "NAME", "SIZE"), rows, empty="nothing is there that nothing needs")
    word = "would be" if dry_run else "are"
    console.print(f"{bytes_text(collected.freed_bytes)} {word} free again")
    if collected.missing:
        console.print(f"{len(collected.missing)} recorded files are missing and count as not here")


def du(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Tell what the store takes; files that several models share are counted once."""
    with registry_session(settings_for(home, config=config)) as session:
        usage = session.retention.usage()
    if json:
        print_json(asdict(usage) | {"total_bytes": usage.total_bytes})
        return
    rows = (
        (
            ", ".join(variant.models) or "-",
            f"{variant.format} {variant.precision}",
            bytes_text(variant.size_bytes),
            bytes_text(variant.own_bytes),
            ", ".join(keep.value for keep in variant.kept_by) or "-",
        )
        for variant in usage.variants
    )
    print_table(("MODELS", "VARIANT", "SIZE", "OF ITS OWN", "KEPT BY"), rows, empty="the store is empty")
    parts = {
        "files": usage.blob_bytes,
        "unfinished": usage.partial_bytes,
        "damaged": usage.quarantine_bytes,
        "copies in checkouts": usage.checkout_bytes,
        "trash": usage.trash_bytes,
    }
    told = ", ".join(f"{name} {bytes_text(size)}" for name, size in parts.items() if size)
    console.print(f"{bytes_text(usage.total_bytes)} in all{f' ({told})' if told else ''}")
    allowed = "no limit" if usage.max_bytes is None else f"{bytes_text(usage.max_bytes)} allowed"
    coming = f"; {bytes_text(usage.reserved_bytes)} on their way" if usage.reserved_bytes else ""
    console.print(
        f"{allowed}; {bytes_text(usage.free_bytes)} of the disk are free; {bytes_text(usage.reclaimable_bytes)} would "
        f"go when room is needed{coming}",
    )


def verify(
    oldest: Annotated[
        int | None, typer.Option("--oldest", min=1, help="Only so many, those not looked at for longest.")
    ] = None,
    remote: Remote = False,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Hash the store's files again; damaged ones are put away. The exit code is 1 when one is damaged or missing."""
    if remote:
        if oldest is not None:
            fail("--oldest is for this machine's store; of the shared one everything is looked at", 2)
        shared_store.verify(home, config, json=json)
        return
    with registry_session(settings_for(home, config=config)) as session:
        verified = session.retention.verify(oldest=oldest)
    shared_store.tell_verified(verified, "damaged", json=json)
