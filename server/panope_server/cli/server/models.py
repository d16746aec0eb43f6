"""Commands that load and unload models of a running server, and the client that commands ask it by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from panope_server.cli.options import (
    API_KEY_VARIABLE,
    Address,
    Json,
    Model,
    address_for,
    api_key,
)
from panope_server.cli.output.console import console, fail, print_json
from panope_server.cli.server.instances import instance_value
from panope_server.cli.server.loading_notes import loading_noted

if TYPE_CHECKING:
    from panope_client import Client, PanopeClientError

#: What gRPC says when a server is gone that had taken the call: it was told to stop, or it died.
_CUT = ("Cancelling all calls", "Socket closed", "Connection reset", "GOAWAY")


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


@contextmanager
def client_at(address: str | None) -> Iterator[Client]:
    """A client for the block; an error of the server ends the command with its sentence."""
    from panope_client import Client, PanopeClientError

    try:
        with Client(address_for(address), api_key=api_key()) as client:
            yield client
    except PanopeClientError as error:
        fail_with(error, address_for(address))


def is_nobody(error: PanopeClientError) -> bool:
    """Whether nobody answers, rather than a server that says why it cannot or that was lost while it answered."""
    return error.code.name == "UNAVAILABLE" and not error.reason and not _was_cut(error)


def _was_cut(error: PanopeClientError) -> bool:
    return error.code.name == "UNAVAILABLE" and not error.reason and any(sign in error.message for sign in _CUT)


def sentence_of(error: PanopeClientError, address: str) -> str:
    """What went wrong, for a person."""
    if _was_cut(error):
        return f"the server at {address} ended the call before its answer did, as one does that is stopped"
    if is_nobody(error):
        return f"no server answers at {address}; `panope serve` starts one, and `--address` names another"
    if error.code.name == "UNAUTHENTICATED":
        return (
            f"the server at {address} needs a valid API key; `panope` takes it from the variable `{API_KEY_VARIABLE}`"
        )
    return error.message


def fail_with(error: PanopeClientError, address: str) -> NoReturn:
    """Ends the command with what went wrong."""
    fail(sentence_of(error, address))
