"""Finds what is in folders, and brings into the registry what can be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_backends.errors import PanopeError
from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import fail, print_json, print_table
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_registry.ingest.discovery import FoundModel
    from panope_registry.jobs import Jobs
    from panope_registry.session import RegistrySession
    from panope_server.config import Settings


def discover(
    folder: Annotated[Path, typer.Argument(help="A folder with models below it.", exists=True, file_okay=False)],
    register: Annotated[
        bool,
        typer.Option(
            "--register",
            "--import",
            help="Import what can be imported, and ask for the models of the hub that skills name.",
        ),
    ] = False,
    vendor: Annotated[
        str, typer.Option("--vendor", help="The vendor of what is found; by default the folder above each model.")
    ] = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Find models below a folder: models' own folders, Triton's, those of the hub's client, and hf_*.py skills."""
    from panope_registry.ingest.discovery import ScanOptions, discover_models
    from panope_server.config.grants import grants_for

    settings = settings_for(home, config=config)
    try:
        found = discover_models(folder, ScanOptions(vendor, grants_for(settings)))
    except PanopeError as error:
        fail(error.message, 2)
    if register:
        with registry_session(settings, create=True) as session:
            states = list(_register(found, session, settings))
    else:
        states = [(_state(model), True) for model in found]
    if json:
        print_json([_document(model, state) for model, (state, _) in zip(found, states, strict=True)])
    else:
        rows = (
            (model.name, model.kind, model.task or "-", state, "; ".join(model.facts.values()), str(model.folder))
            for model, (state, _) in zip(found, states, strict=True)
        )
        print_table(("NAME", "KIND", "TASK", "STATE", "SAYS", "PATH"), rows, empty="no models found")
    if not all(is_well for _, is_well in states):
        raise SystemExit(1)


def _state(model: FoundModel) -> str:
    if model.hub_name:
        return f"asks for {model.hub_name} of the hub"
    return model.problem or "ready to import"


def _register(found: list[FoundModel], session: RegistrySession, settings: Settings) -> Iterator[tuple[str, bool]]:
    """What became of each, and whether nothing went wrong that was thought to go well."""
    from panope_registry.bulk_import import BulkImporter
    from panope_server.job_worker.model_folders import MEMORY

    importer = BulkImporter(session.registry, settings.home_path / MEMORY)
    for model in found:
        if model.hub_name:
            yield _asked(model, session.jobs, settings)
            continue
        (result,) = importer.import_models([model])
        yield result.problem or ("imported" if result.is_new else "unchanged"), result.problem == model.problem


def _asked(model: FoundModel, jobs: Jobs, settings: Settings) -> tuple[str, bool]:
    from panope_registry.job_handlers.requests import SyncRequest, enqueue_sync
    from panope_server.app.hub import check_vendor

    hints = (model.task,) if model.task else ()
    try:
        check_vendor(settings, model.hub_name)
        job = enqueue_sync(jobs, SyncRequest(model.hub_name, task_hints=hints), "cli")
    except PanopeError as error:
        return error.message, False
    return f"job {job.id} registers {model.hub_name}", True


def _document(model: FoundModel, state: str) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": model.kind,
        "task": model.task,
        "folder": str(model.folder),
        "problem": model.problem,
        "hub_name": model.hub_name,
        "facts": dict(model.facts),
        "state": state,
    }
