"""`panope recommend`: which model for a task, within a latency and a memory, by what was measured here."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import bytes_text, console, fail, print_json, print_table
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_registry.session import RegistrySession
    from panope_server.config import Settings
    from panope_server.runtime.placement.recommendation import Recommendation, Recommended


def recommend(
    task: Annotated[str, typer.Argument(help="A task, such as `embed`, `generate` or `classify-audio`.")],
    max_latency: Annotated[
        float, typer.Option("--max-latency", min=0, help="Seconds that one call may take; 0 for any.")
    ] = 0.0,
    max_memory: Annotated[
        str, typer.Option("--max-memory", help="Memory that its process may take, such as `2GiB`; empty for any.")
    ] = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Recommend a model for a task, of those that `panope bench` has measured on this machine; the largest first."""
    import asyncio

    settings = settings_for(home, config=config)
    most = _bytes_of(max_memory) if max_memory else 0
    with registry_session(settings) as session:
        found = asyncio.run(_recommended(settings, session, task, max_latency, most))
    if json:
        print_json(
            {
                "task": task,
                "models": [asdict(way) for way in found.models],
                "beyond": found.beyond,
                "disagreeing": found.disagreeing,
                "unmeasured": found.unmeasured,
            }
        )
        return
    columns = ("MODEL", "PARAMETERS", "RUNS BY", "ONE CALL", "ITEMS/S", "MEMORY", "AGREEMENT")
    print_table(columns, map(_row, found.models), empty=_none_text(task, found))
    for name in found.beyond:
        console.print(f"{name} exceeds the limits; `panope recommend {task}` alone tells what it takes")
    for name in found.disagreeing:
        console.print(f"{name} answers otherwise than its reference in each way: `panope show {name} --candidates`")
    for name in found.unmeasured:
        console.print(f"{name} was not measured here: `panope bench {name}`")


def _bytes_of(size: str) -> int:
    from panope_server.config.sizes import parse_size

    try:
        return parse_size(size, "--max-memory")
    except ValueError as error:
        fail(str(error), 2)


async def _recommended(
    settings: Settings, session: RegistrySession, task: str, max_latency_seconds: float, max_memory_bytes: int
) -> Recommended:
    import asyncio

    from panope_registry.models.types import ModelFilter
    from panope_server.runtime.hardware.hardware import Hardware
    from panope_server.runtime.placement.recommendation import recommend as choose
    from panope_server.runtime.placement.workloads import measured_task, models_task
    from panope_server.tasks.catalog import register_installed

    register_installed()
    wanted = measured_task(task)
    of = models_task(wanted)
    devices = (await Hardware.for_settings(settings).probe()).devices
    listed = await asyncio.to_thread(lambda: session.registry.models(ModelFilter(of), limit=1_000_000))
    entries = [entry for entry in listed if entry.task == of]
    digests = [variant.digest for entry in entries for variant in entry.variants]
    profiles = await asyncio.to_thread(session.profiles.of_variants, digests)
    return choose(
        entries,
        profiles,
        devices,
        task=wanted.name,
        max_latency_seconds=max_latency_seconds,
        max_memory_bytes=max_memory_bytes,
    )


def _none_text(task: str, found: Recommended) -> str:
    if found.beyond:
        return "no measured model keeps within the limits"
    if found.disagreeing:
        return "no measured model answers as its reference"
    if found.unmeasured:
        return f"no model for `{task}` was measured on this machine"
    return f"there is no model for `{task}`; `panope ls` lists the models"


def _row(way: Recommendation) -> tuple[str, ...]:
    return (
        way.model,
        f"{way.parameter_count:,}" if way.parameter_count else "-",
        f"{way.backend} in {way.precision}",
        f"{way.latency_seconds * 1000:,.1f} ms",
        f"{way.items_per_second:,.1f}",
        bytes_text(way.memory_bytes) if way.memory_bytes else "-",
        "-" if way.agreement is None else f"{way.agreement:.4f}",
    )
