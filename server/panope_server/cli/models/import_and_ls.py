"""Commands on the registry in the home folder; no server is needed, and a running one sees the changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_server.cli.models.show import model_document
from panope_server.cli.options import (
    KEEP_ALIVE,
    NAME_FORM,
    Base,
    ConfigFile,
    Home,
    Json,
    KeepAlive,
    Task,
    settings_for,
)
from panope_server.cli.output.console import bytes_text, console, fail, print_json, print_table
from panope_server.cli.output.tasks import note_unserved, require_task, task_text
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_registry.registry import ModelEntry

Decoder = Annotated[
    str,
    typer.Option(help="Which description of a graph of another library is written, such as centerface or picodet."),
]
Folder = Annotated[Path, typer.Argument(help="A folder with a model's files.", exists=True, file_okay=False)]


def import_folder(
    folder: Folder,
    name: Annotated[str, typer.Option("--name", help=f"What to call it, as {NAME_FORM}.")],
    task: Task = None,
    base: Base = "",
    decoder: Decoder = "",
    keep_alive: KeepAlive = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Import a model, or an adapter, from a folder into the store."""
    from panope_server.transport.keep_alive import recorded_keep_alive

    with registry_session(settings_for(home, config=config), create=True) as session:
        seconds = recorded_keep_alive(keep_alive, KEEP_ALIVE)
        try:
            entry = session.registry.import_folder(
                folder,
                name,
                task_hints=task or (),
                base_model=base,
                keep_alive_seconds=seconds,
                decoder=decoder,
            )
        except InvalidInputError as error:  # of the files; the command itself is well formed
            fail(error.message)
        except PreconditionError as error:
            if error.reason != "no_weights":
                raise
            fail(f"{error.message} in {folder}; `panope discover {folder}` finds models in folders below it")
    if json:
        print_json(model_document(entry))
    else:
        console.print(f"imported {entry.name} ({task_text(entry)}, {bytes_text(stored_bytes(entry))})")
        if told := entry.reasons.get("description"):
            console.print(told)
    note_unserved(entry)
    require_task(entry.name, entry.task_candidates)


def ls(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the models."""
    with registry_session(settings_for(home, config=config)) as session:
        entries = session.registry.models(limit=100_000)
    if json:
        print_json([model_document(entry) for entry in entries])
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
            bytes_text(stored_bytes(entry)),
        )
        for entry in entries
    )
    print_table(
        ("NAME", "TASK", "ARCHITECTURE", "VARIANTS", "SIZE"), rows, empty="no models; see `panope import --help`"
    )


def stored_bytes(entry: ModelEntry) -> int:
    """Of all its variants; a file that several of them have lies in the store once."""
    return sum({file.sha256: file.size_bytes for variant in entry.variants for file in variant.files}.values())
