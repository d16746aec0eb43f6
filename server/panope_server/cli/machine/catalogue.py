"""The command that tells which architectures are recognised, load and serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from panope_backends.errors import PanopeError
from panope_server.cli.options import Json
from panope_server.cli.output.console import console, fail, print_json, print_table

Task = Annotated[str, typer.Option("--task", help="Only architectures with this task.")]
Backend = Annotated[str, typer.Option("--backend", help="Only architectures that this backend supports.")]


def catalogue(json: Json = False, task: Task = "", backend: Backend = "") -> None:
    """Tell which architectures this version recognises, loads and serves, as tests found with tiny models."""
    import msgspec

    from panope_registry.catalogue import read_part
    from panope_server.transport.rest.panope.catalogue_schemas import catalogue_json

    try:
        found = read_part(task=task, backend=backend)
    except PanopeError as error:
        fail(error.renamed("--{}".format).message)
    if json:
        print_json(msgspec.to_builtins(catalogue_json(found)))
        return
    print_table(("ARCHITECTURE", "TASK", "STATE", "BACKENDS", "WHY NOT"), _rows(found), empty="no architectures")
    totals = found.totals
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    console.print(
        f"{totals.recognised} architectures are recognised, {totals.loads} load, {totals.serves} serve ({versions})",
    )


def _rows(found: Any) -> Iterator[tuple[str, ...]]:
    for entry in found.entries:
        backends = ", ".join(
            name if support.level == "full" else f"{name} (partly)"
            for name, support in entry.backends.items()
            if support.level != "none"
        )
        yield entry.model_type, entry.task or "-", entry.state, backends or "-", entry.reason
