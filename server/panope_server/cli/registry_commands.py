"""Commands on the registry in the home folder; no server is needed, and a running one sees the changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_backends.errors import PanopeError
from panope_server.cli.bench_command import profile_text
from panope_server.cli.opened import opened
from panope_server.cli.options import ConfigFile, Home, Json, Task, settings_for
from panope_server.cli.output import bytes_text, console, fail, note, print_json, print_table
from panope_server.cli.tasks import require_task, task_text

if TYPE_CHECKING:
    from panope_registry.profiles import Profile
    from panope_registry.registry import ModelEntry, Registry

Folder = Annotated[Path, typer.Argument(help="A folder with a model's files.", exists=True, file_okay=False)]


def import_folder(
    folder: Folder,
    name: Annotated[str, typer.Option("--name", help="What to call it, as VENDOR/NAME.")],
    task: Task = None,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Import a model from a folder into the store."""
    with opened_registry(home, config) as registry:
        entry = registry.import_folder(folder, name, task_hints=task or ())
    if json:
        print_json(_document(entry))
    else:
        size = sum(variant.size_bytes for variant in entry.variants)
        console.print(f"imported [bold]{entry.name}[/] ({task_text(entry)}, {bytes_text(size)})")
    require_task(entry.name, entry.task_candidates)


def ls(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the models."""
    with opened_registry(home, config) as registry:
        entries = registry.models(limit=100_000)
    if json:
        print_json([_document(entry) for entry in entries])
        return
    rows = (
        (
            entry.name,
            entry.task or (f"{'/'.join(entry.task_candidates)}?" if entry.task_candidates else "-"),
            entry.architecture or "-",
            ", ".join(
                f"{variant.format} {variant.precision}{' (pinned)' if variant.pin else ''}"
                for variant in entry.variants
            ),
            bytes_text(sum(variant.size_bytes for variant in entry.variants)),
        )
        for entry in entries
    )
    print_table(
        ("NAME", "TASK", "ARCHITECTURE", "VARIANTS", "SIZE"), rows, empty="no models; see `panope import --help`"
    )


def show(
    model: Annotated[str, typer.Argument(help="VENDOR/NAME.")],
    ways: Annotated[
        bool, typer.Option("--ways", help="Also each way to run it on this machine, best first, and why.")
    ] = False,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell everything that the registry knows of a model."""
    with opened_registry(home, config) as registry:
        entry = registry.model(model)
    measured = _measured(entry, home, config)
    told = asyncio.run(_ways(entry, home, config)) if ways else {}
    if json:
        document = _document(entry)
        for variant in document["variants"]:
            variant["profiles"] = [asdict(each) for each in measured if each.variant_digest == variant["digest"]]
        print_json(document | told)
        return
    console.print(f"[bold]{entry.name}[/]")
    for label, value in (("task", task_text(entry)), ("architecture", entry.architecture or "unknown")):
        console.print(f"  {label}: {value}")
    for what, reason in entry.reasons.items():
        console.print(f"  why {what}: {reason}")
    preferred = f"{entry.preferred_format} {entry.preferred_precision}".strip()
    for label, wish in (("preferred", preferred), ("to quantize to", ", ".join(entry.quantization_targets))):
        if wish:
            console.print(f"  {label}: {wish}")
    for variant in entry.variants:
        console.print(f"  variant {variant.format} {variant.precision}, {bytes_text(variant.size_bytes)}")
        console.print(f"    {variant.digest}")
        if variant.derived_from:
            console.print(f"    made of {variant.derived_from[:12]} by {variant.engine_version}", highlight=False)
        if variant.pin:
            why = f": {variant.pin.reason}" if variant.pin.reason else ""
            console.print(f"    pinned by {variant.pin.who}{why}", highlight=False)
        for file in variant.files:
            console.print(f"    {file.path}  {bytes_text(file.size_bytes)}", highlight=False)
        for profile in measured:
            if profile.variant_digest == variant.digest:
                where = f"{profile.backend} {profile.device} in {profile.precision}"
                console.print(f"    measured on {where}: {profile_text(profile)}", highlight=False)
    for place, way in enumerate(told.get("ways", ()), 1):
        console.print(f"  way {place}: {way['way']}: {way['reason']}", highlight=False)
    for way in told.get("refused", ()):
        console.print(f"  no way: {way['way']}: {way['reason']}", highlight=False)


def _measured(entry: ModelEntry, home: str | None, config: Path | None) -> list[Profile]:
    from panope_registry.profiles import Profiles

    with opened(home, config) as (database, _):
        return Profiles(database).of_variants([variant.digest for variant in entry.variants])


async def _ways(entry: ModelEntry, home: str | None, config: Path | None) -> dict[str, list[dict[str, str]]]:
    """Each way to run a model here, best first, and what is none, with the reasons."""
    from panope_server.cli.prepared import prepared

    try:
        async with prepared(settings_for(home, config=config)) as tools:
            choice = await tools.preparer.choose(entry)
    except PanopeError as error:
        fail(error.message)
    return {
        "ways": [{"way": way.label, "reason": reason} for way, reason in zip(choice.ways, choice.reasons, strict=True)],
        "refused": [{"way": refusal.label, "reason": refusal.reason} for refusal in choice.refusals],
    }


@contextmanager
def opened_registry(home: str | None, config: Path | None) -> Iterator[Registry]:
    """The registry of a home; what goes wrong in the block ends the command with a sentence."""
    from panope_server.opening import open_registry

    settings = settings_for(home, config=config)
    try:
        registry = open_registry(settings, _tell_grant)
    except PanopeError as error:
        fail(error.message)
    try:
        yield registry
    except PanopeError as error:
        fail(error.message)
    finally:
        registry.close()


def _tell_grant(_: str, facts: Mapping[str, object]) -> None:
    """In words, because a command keeps no log."""
    note(f"the setting `{facts['setting']}` lets in `{facts['model']}`")


def _document(entry: ModelEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "task": entry.task,
        "task_candidates": list(entry.task_candidates),
        "architecture": entry.architecture,
        "created_at": entry.created_at.isoformat(),
        "reasons": dict(entry.reasons),
        "preferred_format": entry.preferred_format,
        "preferred_precision": entry.preferred_precision,
        "quantization_targets": list(entry.quantization_targets),
        "variants": [
            {
                "digest": variant.digest,
                "format": variant.format,
                "precision": variant.precision,
                "size_bytes": variant.size_bytes,
                "derived_from": variant.derived_from,
                "engine_version": variant.engine_version,
                "pinned": variant.pin is not None,
                "files": [{"path": f.path, "sha256": f.sha256, "size_bytes": f.size_bytes} for f in variant.files],
            }
            for variant in entry.variants
        ],
    }
