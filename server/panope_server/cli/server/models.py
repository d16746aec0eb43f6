"""Commands that load and unload models of a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from panope_server.cli.client import client_at
from panope_server.cli.loading_notes import loading_noted
from panope_server.cli.options import (
    Address,
    Json,
    Model,
    address_for,
)
from panope_server.cli.output.console import console, print_json
from panope_server.cli.server.instances import instance_value


def load(
    model: Model,
    backend: Annotated[str, typer.Option("--backend", help="The backend to use; chosen when not given.")] = "",
    prefer: Annotated[
        list[str],
        typer.Option("--prefer", help="A backend that should run it rather than others; the first is the most wanted."),
    ] = [],  # noqa: B006 - Typer makes a new one for each run
    precision: Annotated[str, typer.Option("--precision", help="Such as fp32 or bf16; chosen when not given.")] = "",
    variant: Annotated[
        str, typer.Option("--variant", help="The variant to run as it is, by its digest's first digits.")
    ] = "",
    instances: Annotated[
        int, typer.Option("--instances", min=0, max=64, help="How many to run; as the settings say when not given.")
    ] = 0,
    tensor_parallel: Annotated[
        int,
        typer.Option(
            "--tensor-parallel", min=0, max=64, help="Devices to divide each instance over; 1 for a whole model."
        ),
    ] = 0,
    keep_alive: Annotated[
        str,
        typer.Option(
            "--keep-alive",
            help="How long it stays loaded unused, such as 300 or 5m; -1 for ever, 0 until its next call.",
        ),
    ] = "",
    address: Address = None,
    json: Json = False,
) -> None:
    """Load a model and wait until it serves."""
    with client_at(address) as client, loading_noted(address_for(address), model):
        loaded = client.load(
            model,
            backend=backend,
            preferred_backends=prefer,
            precision=precision,
            variant=variant,
            instances=instances,
            tensor_parallel=tensor_parallel,
            keep_alive=keep_alive,
        )
    running = [instance_value(loaded.name, instance) for instance in loaded.instances]
    if json:
        print_json(running)
        return
    for instance in running:
        console.print(
            f"{instance['model']} serves {instance['format']} {instance['weights_precision']} on "
            f"{instance['backend']} {instance['device']}, computed in {instance['precision']}: "
            f"{instance['selection_reason']}",
        )


def unload(model: Model, address: Address = None, json: Json = False) -> None:
    """Unload a model and wait until its memory is free."""
    with client_at(address) as client:
        before = client.model(model)
        was_loaded = bool(before.instances) or before.state != type(before).STATE_UNLOADED
        unloaded = client.unload(model)
    if json:
        print_json({"model": unloaded.name})
    else:
        console.print(f"unloaded {unloaded.name}" if was_loaded else f"{model} was not loaded")
