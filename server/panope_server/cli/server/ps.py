"""The command that lists the instances that run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from panope_server.cli.client import fail_with, is_nobody
from panope_server.cli.options import Address, ConfigFile, Home, Json, address_for, api_key, settings_for
from panope_server.cli.output.console import note, print_json, print_table
from panope_server.cli.registry_session import registry_session
from panope_server.cli.server.instances import (
    activity_value,
    breaker_text,
    generation_text,
    instance_value,
    memory_text,
    queue_text,
    role_text,
    state_text,
    until_text,
    value_without_instance,
    where_text,
)


def ps(
    all_servers: Annotated[
        bool, typer.Option("--all", help="Those of every server on this database, as they last told of them.")
    ] = False,
    wide: Annotated[bool, typer.Option("--wide", "-w", help="With all that is known of each.")] = False,
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
            {**instance_value(model.name, instance), **activity_value(model)}
            for model in models
            for instance in model.instances
        ]
        print_json([*running, *(value_without_instance(model) for model in models if not model.instances)])
        return
    columns, rows = _table(models, wide=wide)
    print_table(columns, rows, empty="no instance runs")
    for model in models:
        if not model.instances and model.state_reason:
            note(f"{model.name}: {model.state_reason}")


#: What each column tells of an instance; those of `--wide` come after.
_COLUMNS: Mapping[str, Callable[[Any, Any], str]] = {
    "INSTANCE": lambda _, instance: instance.id,
    "RUNS ON": lambda _, instance: where_text(instance),
    "STATE": lambda _, instance: state_text(instance),
    "PID": lambda _, instance: str(instance.pid or "-"),
    "MEMORY": lambda _, instance: memory_text(instance),
    "QUEUE": queue_text,
    "RESTARTS": lambda _, instance: str(instance.restart_count),
}
_WIDE_COLUMNS: Mapping[str, Callable[[Any, Any], str]] = {
    "VARIANT": lambda _, instance: f"{instance.format} {instance.weights_precision}".strip(),
    "ROLE": lambda _, instance: role_text(instance).replace("_", " "),
    "WORK RATE": lambda model, _: f"{model.work_per_second:,.0f}/s" if model.work_per_second else "-",
    "UNTIL": lambda model, _: until_text(model),
    "BREAKER": lambda _, instance: breaker_text(instance),
    "GENERATES": lambda _, instance: generation_text(instance),
}


def _table(models: Sequence[Any], *, wide: bool) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each instance and for each model that has none."""
    columns = {**_COLUMNS, **(_WIDE_COLUMNS if wide else {})}
    rows = [[tell(model, each) for tell in columns.values()] for model in models for each in model.instances]
    for model in models:
        if not model.instances:
            known = {"INSTANCE": model.name, "STATE": state_text(model), "BREAKER": breaker_text(model)}
            rows.append([known.get(name, "-") for name in columns])
    return list(columns), rows


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
        if address is None and is_nobody(error):
            return None
        fail_with(error, address_for(address, home, config))


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
