"""Commands that ask a running server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from panope_server.cli.options import (
    API_KEY_VARIABLE,
    Address,
    ConfigFile,
    Home,
    Json,
    Model,
    address_for,
    api_key,
    settings_for,
)
from panope_server.cli.output.console import bytes_text, console, fail, note, print_json, print_table
from panope_server.cli.registry_session import registry_session
from panope_server.cli.server.loading_notes import loading_noted

if TYPE_CHECKING:
    from panope_client import Client, PanopeClientError

#: What gRPC says when a server is gone that had taken the call: it was told to stop, or it died.
_CUT = ("Cancelling all calls", "Socket closed", "Connection reset", "GOAWAY")


def ps(
    all_servers: Annotated[
        bool, typer.Option("--all", help="Those of every server on this database, as they last told of them.")
    ] = False,
    address: Address = None,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List the instances that run; those of other servers on this database too with `--all`."""
    models = None if all_servers else _models_of_server(address, config, home)
    if models is None:
        _list_all(home, config, json=json)
        return
    if json:
        running = [
            {**_instance(model.name, instance), **_activity(model)} for model in models for instance in model.instances
        ]
        print_json([*running, *(_without_instance(model) for model in models if not model.instances)])
        return
    rows = [
        (
            instance.id,
            f"{instance.format} {instance.weights_precision}".strip(),
            f"{instance.backend} {instance.device} {instance.precision}",
            _state(instance),
            _role(instance).replace("_", " "),
            str(instance.pid or "-"),
            bytes_text(instance.resident_bytes),
            _queue_text(model, instance),
            f"{model.work_per_second:,.0f}/s" if model.work_per_second else "-",
            _until_text(model),
            str(instance.restart_count),
            _breaker_text(instance),
            _generation_text(instance),
        )
        for model in models
        for instance in model.instances
    ]
    rows += [
        (model.name, "-", "-", _state(model), *["-"] * 7, _breaker_text(model), "-")
        for model in models
        if not model.instances
    ]
    columns = (
        *("INSTANCE", "VARIANT", "RUNS ON", "STATE", "ROLE", "PID", "MEMORY"),
        *("QUEUE", "WORK RATE", "UNTIL", "RESTARTS", "BREAKER", "GENERATES"),
    )
    print_table(columns, rows, empty="no instance runs")
    for model in models:
        if not model.instances and model.state_reason:
            note(f"{model.name}: {model.state_reason}")


def load(
    model: Model,
    backend: Annotated[str, typer.Option("--backend", help="The backend to use; chosen when not given.")] = "",
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
            precision=precision,
            variant=variant,
            instances=instances,
            keep_alive=keep_alive,
        )
    running = [_instance(loaded.name, instance) for instance in loaded.instances]
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


def _models_of_server(address: str | None, config: Path | None, home: str | None) -> list[Any] | None:
    """The models that run, and those that do not though they should: they load, or failed.

    None when no address was given and no server answers at that of the settings.
    """
    from panope_client import Client, PanopeClientError

    try:
        with Client(address_for(address, home, config), api_key=api_key()) as client:
            # An alias has the instances of what it points to, which are told there.
            return [model for model in client.models() if not model.alias_of and _is_asked_for(model)]
    except PanopeClientError as error:
        if address is None and _is_nobody(error):
            return None
        _fail_with(error, address_for(address, home, config))


def _is_asked_for(model: Any) -> bool:
    return bool(model.instances) or model.state in (type(model).STATE_LOADING, type(model).STATE_FAILED)


def _list_all(home: str | None, config: Path | None, *, json: bool) -> None:
    from panope_registry.models.variant_digest import SHOWN_DIGITS

    with registry_session(settings_for(home, config=config)) as session:
        records = session.instances.list()
        entries = session.registry.models(limit=100_000)
    variants = {
        variant.digest: f"{variant.format} {variant.precision}".strip()
        for entry in entries
        for variant in entry.variants
    }
    if json:
        print_json([asdict(record) for record in records])
        return
    rows = (
        (
            record.id.removeprefix(f"{record.server}/"),
            record.host,
            variants.get(record.variant_digest, record.variant_digest[:SHOWN_DIGITS]),
            f"{record.backend} {record.device}",
            record.state.replace("_", " "),
            str(record.pid or "-"),
            f"{record.heartbeat_at:%H:%M:%S}",
        )
        for record in records
    )
    columns = ("INSTANCE", "HOST", "VARIANT", "RUNS ON", "STATE", "PID", "LAST SEEN (UTC)")
    print_table(columns, rows, empty="no server on this database runs an instance")


@contextmanager
def client_at(address: str | None) -> Iterator[Client]:
    """A client for the block; an error of the server ends the command with its sentence."""
    from panope_client import Client, PanopeClientError

    try:
        with Client(address_for(address), api_key=api_key()) as client:
            yield client
    except PanopeClientError as error:
        _fail_with(error, address_for(address))


def _is_nobody(error: PanopeClientError) -> bool:
    """Whether nobody answers, rather than a server that says why it cannot or that was lost while it answered."""
    return error.code.name == "UNAVAILABLE" and not error.reason and not _was_cut(error)


def _was_cut(error: PanopeClientError) -> bool:
    return error.code.name == "UNAVAILABLE" and not error.reason and any(sign in error.message for sign in _CUT)


def sentence_of(error: PanopeClientError, address: str) -> str:
    """What went wrong, for a person."""
    if _was_cut(error):
        return f"the server at {address} ended the call before its answer did, as one does that is stopped"
    if _is_nobody(error):
        return f"no server answers at {address}; `panope serve` starts one, and `--address` names another"
    if error.code.name == "UNAUTHENTICATED":
        return (
            f"the server at {address} needs a valid API key; `panope` takes it from the variable `{API_KEY_VARIABLE}`"
        )
    return error.message


def _fail_with(error: PanopeClientError, address: str) -> NoReturn:
    fail(sentence_of(error, address))


def _instance(model: str, instance: Any) -> dict[str, Any]:
    return {
        "id": instance.id,
        "model": model,
        "backend": instance.backend,
        "variant_digest": instance.variant_digest,
        "format": instance.format,
        "weights_precision": instance.weights_precision,
        "device": instance.device,
        "precision": instance.precision,
        "state": _state(instance),
        "role": _role(instance),
        "pid": instance.pid,
        "resident_bytes": instance.resident_bytes,
        "restart_count": instance.restart_count,
        "selection_reason": instance.selection_reason,
        "generation": _generation(instance),
        "breaker": _breaker(instance),
        "in_flight_items": instance.in_flight_items,
    }


def _without_instance(model: Any) -> dict[str, Any]:
    """A model that loads or failed; what only an instance has is empty."""
    empty = dict.fromkeys(
        ("id", "backend", "variant_digest", "format", "weights_precision", "device", "precision", "role"), ""
    )
    counts = dict.fromkeys(("pid", "resident_bytes", "restart_count"), 0)
    told = {"state": _state(model), "state_reason": model.state_reason}
    more = {"selection_reason": "", "generation": None, "breaker": _breaker(model), "in_flight_items": 0}
    return {**empty, "model": model.name, **told, **counts, **more, **_activity(model)}


def _breaker(told: Any) -> dict[str, Any]:
    """Of an instance or a model."""
    breaker = told.breaker
    return {
        "state": _state(breaker).replace(" ", "_"),
        "retry_after_seconds": breaker.retry_after_seconds,
        "reason": breaker.reason,
    }


def _breaker_text(told: Any) -> str:
    """The same for people; of one that is open for how long."""
    breaker = told.breaker
    seconds = breaker.retry_after_seconds
    return f"{_state(breaker)} {seconds:.0f} s" if seconds else _state(breaker)


def _activity(model: Any) -> dict[str, Any]:
    """What the model of an instance does, and how long it stays."""
    return {
        "queued_items": model.queued_items,
        "work_per_second": model.work_per_second,
        "model_memory_bytes": model.memory_bytes,
        "keep_alive_seconds": model.keep_alive_seconds if model.HasField("keep_alive_seconds") else None,
        "unload_at": model.unload_time.ToJsonString() if model.HasField("unload_time") else None,
    }


def _queue_text(model: Any, instance: Any) -> str:
    """What an instance has, and what waits for any of its model."""
    waiting = f" + {model.queued_items:,} waiting" if model.queued_items else ""
    return f"{instance.in_flight_items:,}{waiting}"


def _until_text(model: Any) -> str:
    """When the model is unloaded if nobody uses it."""
    if not model.HasField("keep_alive_seconds"):
        return "room is needed"
    if model.keep_alive_seconds < 0:
        return "for ever"
    if model.HasField("unload_time"):
        left = max(0.0, model.unload_time.ToDatetime(UTC).timestamp() - time.time())
        return f"in {timedelta(seconds=round(left))}"
    return f"{timedelta(seconds=round(model.keep_alive_seconds))} unused"


def _generation(instance: Any) -> dict[str, int] | None:
    """What an instance that generates has told of itself."""
    if not instance.HasField("generation"):
        return None
    told = instance.generation
    return {field.name: getattr(told, field.name) for field in told.DESCRIPTOR.fields}


def _generation_text(instance: Any) -> str:
    """The same for people: what runs, what waits, how full the cache is."""
    if not instance.HasField("generation"):
        return "-"
    told = instance.generation
    text = f"{told.running_sequences} running, {told.waiting_sequences} waiting"
    if told.cache_blocks:
        text += f", cache {told.used_cache_blocks / told.cache_blocks:.0%}"
    return text


def _role(instance: Any) -> str:
    """Which calls it runs."""
    name: str = type(instance).Role.Name(instance.role)
    return name.removeprefix("ROLE_").lower()


def _state(told: Any) -> str:
    """Of an instance or a model."""
    name: str = type(told).State.Name(told.state)
    return name.removeprefix("STATE_").lower().replace("_", " ")
