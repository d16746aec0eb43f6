"""The command that makes another variant of a model: in another format, or with smaller weights."""

from __future__ import annotations

from typing import Annotated

import typer

from panope_server.cli.jobs.foreground import run_to_success
from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import bytes_text, console, print_json
from panope_server.cli.registry_session import registry_session


def build(
    model: Annotated[str, typer.Argument(help="VENDOR/NAME of a registered model.")],
    format_: Annotated[str, typer.Option("--format", help="What to make: openvino, onnx or gguf.")],
    precision: Annotated[
        str, typer.Option("--precision", help="Of the weights, such as int8 or q4_k_m; left out, they are kept.")
    ] = "",
    revision: Annotated[str, typer.Option("--revision", help="The revision that must be served.")] = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make another variant of a model; what is missing of its weights is downloaded first."""
    from panope_registry.job_handlers.requests import BuildRequest, enqueue_build

    settings = settings_for(home, config=config)
    with registry_session(settings) as session:
        request = BuildRequest(model, format_, precision, revision)
        job = enqueue_build(session.jobs, request, "cli", store=session.store.id)
        job = run_to_success(settings, session, job, quiet=json)
    result = job.result
    if json:
        print_json(dict(result))
        return
    did = "made" if result["made"] else "there already:"
    what = f"{result['format']} {result['precision']}, {bytes_text(result['size_bytes'])}"
    console.print(f"{did} [bold]{model}[/] {what}", highlight=False)
    console.print(f"  {result['variant']}", highlight=False)
