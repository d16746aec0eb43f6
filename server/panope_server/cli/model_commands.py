"""Commands that ask a running server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.options import Address, Json, address_for
from panope_server.cli.output import bytes_text, console, fail, print_json, print_table

if TYPE_CHECKING:
    from panope_client import Client

Model = Annotated[str, typer.Argument(help="VENDOR/NAME.")]


def ps(address: Address = None, json: Json = False) -> None:
    """List the instances that run."""
    with _client(address) as client:
        models = [model for model in client.models() if model.instances]
    if json:
        print_json([_instance(model.name, instance) for model in models for instance in model.instances])
        return
    rows = (
        (
            instance.id,
            f"{instance.backend} {instance.device} {instance.precision}",
            _state(instance),
            str(instance.pid or "-"),
            bytes_text(instance.resident_bytes),
            str(instance.restart_count),
        )
        for model in models
        for instance in model.instances
    )
    print_table(("INSTANCE", "RUNS ON", "STATE", "PID", "MEMORY", "RESTARTS"), rows, empty="no instance runs")


def load(
    model: Model,
    backend: Annotated[str, typer.Option("--backend", help="The backend to use; chosen when not given.")] = "",
    precision: Annotated[str, typer.Option("--precision", help="Such as fp32 or bf16; chosen when not given.")] = "",
    address: Address = None,
    json: Json = False,
) -> None:
    """Load a model and wait until it serves."""
    with _client(address) as client:
        loaded = client.load(model, backend=backend, precision=precision)
    instances = [_instance(loaded.name, instance) for instance in loaded.instances]
    if json:
        print_json(instances)
        return
    for instance in instances:
        console.print(
            f"{instance['model']} serves on {instance['backend']} {instance['device']} in {instance['precision']}: "
            f"{instance['selection_reason']}",
            highlight=False,
        )


def unload(model: Model, address: Address = None, json: Json = False) -> None:
    """Unload a model and wait until its memory is free."""
    with _client(address) as client:
        unloaded = client.unload(model)
    if json:
        print_json({"model": unloaded.name})
    else:
        console.print(f"unloaded {unloaded.name}", highlight=False)


def embed(
    model: Model,
    texts: Annotated[list[str], typer.Argument(help="The texts to embed.")],
    address: Address = None,
    json: Json = False,
) -> None:
    """Embed texts."""
    with _client(address) as client:
        embeddings = client.embed(texts, model=model)
    if json:
        tokens = embeddings.token_counts
        print_json(
            [
                {"text": text, "tokens": tokens[index], "embedding": embeddings.vectors[index]}
                for index, text in enumerate(texts)
            ]
        )
        return
    for index, text in enumerate(texts):
        first = ", ".join(f"{value:.4f}" for value in embeddings.vectors[index][:4])
        size = embeddings.vectors.shape[1]
        console.print(f"{text!r}: [{first}, …] ({size} values, {embeddings.token_counts[index]} tokens)", markup=False)


@contextmanager
def _client(address: str | None) -> Iterator[Client]:
    from panope_client import Client, PanopeClientError

    try:
        with Client(address_for(address)) as client:
            yield client
    except PanopeClientError as error:
        fail(error.message)


def _instance(model: str, instance: Any) -> dict[str, Any]:
    return {
        "id": instance.id,
        "model": model,
        "backend": instance.backend,
        "device": instance.device,
        "precision": instance.precision,
        "state": _state(instance),
        "pid": instance.pid,
        "resident_bytes": instance.resident_bytes,
        "restart_count": instance.restart_count,
        "selection_reason": instance.selection_reason,
    }


def _state(instance: Any) -> str:
    name: str = type(instance).State.Name(instance.state)
    return name.removeprefix("STATE_").lower().replace("_", " ")
