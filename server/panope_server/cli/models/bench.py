"""`panope bench`: measures the ways to run a model on this machine, which decides between equals at its next load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.options import ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import bytes_text, console, fail, print_json, print_table
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_registry.serving_records.profiles import Profile
    from panope_registry.session import RegistrySession
    from panope_server.config import Settings
    from panope_server.runtime.bench.bench import Bench
    from panope_server.runtime.bench.measured import Measured
    from panope_server.runtime.bench.wanted import Wanted
    from panope_server.runtime.placement.constraints import LoadConstraints
    from panope_server.runtime.placement.planning.load_planner import LoadPlanner


def bench(
    model: Model,
    backend: Annotated[str, typer.Option("--backend", help="Only this backend.")] = "",
    backends: Annotated[
        str, typer.Option("--backends", help="Only these backends, with commas between them, side by side.")
    ] = "",
    devices: Annotated[
        str,
        typer.Option("--devices", help="Only these devices, such as `cuda:0,openvino GPU`; as `panope hardware` has."),
    ] = "",
    precision: Annotated[str, typer.Option("--precision", help="Only this precision, such as bf16 or int8.")] = "",
    variant: Annotated[
        str, typer.Option("--variant", help="Only this variant, by its digest's first digits, as it is.")
    ] = "",
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.01, max=3600, help="How long each workload is run for.")
    ] = 3.0,
    max_background_load: Annotated[
        float,
        typer.Option(
            "--max-background-load",
            min=0,
            max=1,
            help="The part of the processors that others may take; what is measured beside more decides nothing.",
        ),
    ] = 0.1,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Measure each way to run a model, on real workers; at its next load the fastest that agrees is chosen."""
    import asyncio

    from panope_server.runtime.bench.wanted import Wanted
    from panope_server.runtime.placement.constraints import LoadConstraints

    if backend and backends:
        fail("`--backends` says nothing beside `--backend`; name all of them there", 2)
    settings = settings_for(home, config=config)
    constraints, wanted = LoadConstraints(backend, precision, variant), Wanted(_names(backends), _names(devices))
    with registry_session(settings) as session:
        bench_of = partial(_bench, seconds, max_background_load)
        measured = _measured(settings, session, model, constraints, wanted, bench_of, json=json)
        measurements, chosen = asyncio.run(measured)
    if json:
        print_json({"model": model, "candidates": [_document(measured) for measured in measurements], "chosen": chosen})
    else:
        if len(measurements) > 1:
            _print_table(measurements)
        console.print(f"chosen at the next load: {chosen}")
    if not any(measured.profiles and not measured.is_disturbed for measured in measurements):
        raise SystemExit(1)


async def _measured(
    settings: Settings,
    session: RegistrySession,
    model: str,
    constraints: LoadConstraints,
    wanted: Wanted,
    bench_of: Callable[[Settings, LoadPlanner], Bench],
    *,
    json: bool,
) -> tuple[list[Measured], str]:
    """What was measured, each way kept as soon as it is, unless it was disturbed; and what is chosen then, and why."""
    import asyncio

    from panope_server.cli.load_planner import load_planner

    measurements: list[Measured] = []
    async with load_planner(settings, session) as planner:
        entry = await asyncio.to_thread(session.registry.model, model)
        async for measured in bench_of(settings, planner).run(entry, constraints, wanted):
            measurements.append(measured)
            if not measured.is_disturbed or measured.is_wrong:  # a busy machine makes no answer wrong
                await asyncio.to_thread(session.profiles.record, measured.profiles)
            if not json:
                _print(measured)
        selection = await planner.selector.select(await asyncio.to_thread(session.registry.model, model))
        return measurements, f"{selection.candidates[0].label}: {selection.reasons[0]}"


def _bench(seconds: float, max_background_load: float, settings: Settings, planner: LoadPlanner) -> Bench:
    from panope_server.runtime.bench.bench import Bench

    return Bench(settings, planner, seconds, max_background_load)


def _names(written: str) -> tuple[str, ...]:
    return tuple(name for each in written.split(",") if (name := each.strip()))


def _print(measured: Measured) -> None:
    computed = f"{measured.label}, computed in {measured.precision}" if measured.precision else measured.label
    if not measured.profiles:
        console.print(f"{computed}: {measured.failure}")
        return
    first = measured.profiles[0]
    memory = bytes_text(max(profile.memory_bytes for profile in measured.profiles))
    console.print(f"{computed}: loaded in {first.load_seconds:.1f} s, {memory} of memory")
    for profile in measured.profiles:
        console.print(f"  {profile_text(profile)}")
    if measured.is_disturbed:
        console.print(
            "  not kept, and it decides nothing: other programs took too much of the processors in each attempt; "
            "measure again when they are quiet, or with a higher --max-background-load",
        )


def _print_table(measurements: Sequence[Measured]) -> None:
    """What decides, the fastest first: the first workload's throughput, and the last one's latency."""
    from panope_server.runtime.bench.measured import PROCESSOR_SECONDS

    found = sorted((each for each in measurements if each.profiles), key=lambda each: -_speed(each))
    fastest = max(map(_speed, found), default=0.0)
    print_table(
        ("CANDIDATE", "COMPUTED IN", "ITEMS/S", "OF THE FASTEST", "CPU/ITEM", "P50", "P99", "MEMORY", "AGREEMENT"),
        (
            (
                each.label,
                each.precision,
                f"{_speed(each):,.1f}",
                f"{_speed(each) / fastest:.0%}",
                f"{each.profiles[0].details[PROCESSOR_SECONDS] * 1000:,.1f} ms",
                f"{each.profiles[-1].latency_p50_seconds * 1000:,.1f} ms",
                f"{each.profiles[-1].latency_p99_seconds * 1000:,.1f} ms",
                bytes_text(max(profile.memory_bytes for profile in each.profiles)),
                _agreement(each),
            )
            for each in found
        ),
        empty="nothing was measured",
    )


def _speed(measured: Measured) -> float:
    return measured.profiles[0].items_per_second


def _agreement(measured: Measured) -> str:
    from panope_server.runtime.placement.agreement import agreement_of

    found = [agreement for profile in measured.profiles if (agreement := agreement_of(profile)) is not None]
    told = f"{min(found):.4f}" if found else "-"
    return f"{told}{' WRONG' if measured.is_wrong else ''}{' disturbed' if measured.is_disturbed else ''}"


def profile_text(profile: Profile) -> str:
    """A measurement in a line, with a warning when the machine was busy with something else."""
    from panope_server.runtime.bench.background_load import MAX_BACKGROUND_LOAD, background_load_of

    taken = background_load_of(profile)
    warning = f" (other programs took {taken:.0%} of the processors)" if taken > MAX_BACKGROUND_LOAD else ""
    return (
        f"{profile.workload}: {profile.items_per_second:,.1f}/s, p50 {profile.latency_p50_seconds * 1000:,.1f} ms, "
        f"p99 {profile.latency_p99_seconds * 1000:,.1f} ms{_agreement_text(profile)}{warning}"
    )


def _agreement_text(profile: Profile) -> str:
    from panope_server.runtime.placement.agreement import LEAST, agreement_of, agrees

    found = agreement_of(profile)
    if found is None:
        return ""
    wrong = "" if agrees(profile) else f", WRONG: {profile.details[LEAST]:.2f} is the least, and it is never chosen"
    return f", agreement {found:.4f}{wrong}"


def _document(measured: Measured) -> dict[str, Any]:
    return {
        "candidate": measured.label,
        "precision": measured.precision,
        "failure": measured.failure,
        "is_disturbed": measured.is_disturbed,
        "profiles": [asdict(profile) for profile in measured.profiles],
    }
