"""The command that makes another variant of a model: in another format, or with smaller weights."""

from __future__ import annotations

from typing import Annotated

import typer

from panope_registry.models.quantization import TARGETS
from panope_server.cli.jobs.foreground import run_to_success
from panope_server.cli.options import ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import bytes_text, console, print_json
from panope_server.cli.registry_session import registry_session, user_name


def _quantized_precisions() -> str:
    """What weights can be quantized to, by format."""
    by_format: dict[str, list[str]] = {}
    for precision, target in TARGETS.items():
        by_format.setdefault(target.format, []).append(precision)
    return "; ".join(f"in {name} {', '.join(precisions)}" for name, precisions in by_format.items())


def build(
    model: Model,
    format_: Annotated[str, typer.Option("--format", help="What to make: openvino, onnx, qnn, torchao or gguf.")],
    precision: Annotated[
        str, typer.Option("--precision", help=f"Of the weights: fp32 unless given; {_quantized_precisions()}.")
    ] = "",
    revision: Annotated[str, typer.Option("--revision", help="The revision that must be served.")] = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make another variant of a model; what is missing of its weights is downloaded first."""
    import asyncio

    from panope_registry.job_handlers.conversion_plan import refuse_impossible_build
    from panope_registry.job_handlers.requests import BuildRequest, check_build, enqueue_build
    from panope_server.runtime.hardware.hardware import Hardware

    settings = settings_for(home, config=config)
    with registry_session(settings) as session:
        request = BuildRequest(model, format_, precision, revision)
        check_build(request)
        offered = asyncio.run(Hardware.for_settings(settings).probe()).conversions
        refuse_impossible_build(session.registry.model(model), request, offered)
        with session.audit.recording(user_name(), "models.build", model):
            job = enqueue_build(session.jobs, request, "cli", store=session.store.id)
        job = run_to_success(settings, session, job, quiet=json)
    result = job.result
    if json:
        print_json(dict(result))
        return
    did = "made" if result["made"] else "there already:"
    what = f"{result['format']} {result['precision']}, {bytes_text(result['size_bytes'])}"
    console.print(f"{did} {model} {what}")
    console.print(f"  {result['variant']}")
