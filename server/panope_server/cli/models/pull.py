"""Commands that bring models from a hub. They run their own jobs, beside the workers of a server if one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from panope_backends.errors import InvalidInputError
from panope_server.cli.jobs.foreground import run_to_success
from panope_server.cli.options import KEEP_ALIVE, Base, ConfigFile, Home, Json, KeepAlive, Model, Task, settings_for
from panope_server.cli.output.console import bytes_text, console, print_json
from panope_server.cli.output.tasks import require_task
from panope_server.cli.registry_session import registry_session, user_name

if TYPE_CHECKING:
    from panope_server.config import Settings

Revision = Annotated[str, typer.Option("--revision", help="A branch, tag or commit.")]


def register(
    model: Model,
    revision: Revision = "main",
    task: Task = None,
    preferred_format: Annotated[str, typer.Option("--format", help="The format to prefer, such as onnx.")] = "",
    preferred_precision: Annotated[
        str, typer.Option("--precision", help="The precision to prefer, such as int8.")
    ] = "",
    quantize: Annotated[
        list[str] | None,
        typer.Option("--quantize", help="A precision to quantize the weights to once they are here; may be repeated."),
    ] = None,
    remote: Annotated[
        str,
        typer.Option(
            "--remote",
            help="The address of a server elsewhere that runs the model, such as https://HOST/v1.",
        ),
    ] = "",
    remote_protocol: Annotated[
        str, typer.Option("--remote-protocol", help="What that server speaks: openai, vllm, tgi, tei or kserve.")
    ] = "openai",
    remote_model: Annotated[
        str, typer.Option("--remote-model", help="The model as that server calls it; left out for tgi and tei.")
    ] = "",
    base: Base = "",
    keep_alive: KeepAlive = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Register a model of a hub, whose weights stay where they are, or one that a server elsewhere runs."""
    from panope_registry.job_handlers.requests import SyncRequest, enqueue_sync, upstream_of
    from panope_server.config.remote import check_host
    from panope_server.transport.keep_alive import recorded_keep_alive

    settings = settings_for(home, config=config)
    with registry_session(settings, create=True) as session:
        _check(settings, model)
        request = SyncRequest(
            model,
            revision,
            tuple(task or ()),
            preferred_format,
            preferred_precision,
            tuple(quantize or ()),
            {"url": remote, "protocol": remote_protocol, "model": remote_model} if remote else {},
            base,
            recorded_keep_alive(keep_alive, KEEP_ALIVE),
        )
        if request.upstream:
            check_host(settings, upstream_of(request).url)
        elif remote_model:
            raise InvalidInputError("`--remote-model` goes with `--remote`", field="remote_model")
        with session.audit.recording(user_name(), "models.register", model):
            job = enqueue_sync(session.jobs, request, "cli", store=session.store.id)
        job = run_to_success(settings, session, job, quiet=json)
    result = job.result
    if json:
        print_json(dict(result))
    else:
        console.print(f"registered {result['model']} ({result['task'] or 'no decided task'})")
        if base := result["registered_base"]:
            console.print(f"  and its base model {base}")
        for variant in result["variants"]:
            console.print(f"  {variant['format']} {variant['precision']}")
    require_task(result["model"], result["task_candidates"])


def pull(
    model: Model,
    revision: Revision = "main",
    precision: Annotated[str, typer.Option("--precision", help="The variant's precision, such as bf16.")] = "",
    format_: Annotated[str, typer.Option("--format", help="The variant's format, such as gguf.")] = "",
    include: Annotated[
        list[str] | None,
        typer.Option("--include", help="A pattern of files to download instead of a variant's; may be repeated."),
    ] = None,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Download a model. What was interrupted goes on where it was, and every byte is verified."""
    from panope_registry.job_handlers.requests import DownloadRequest, enqueue_pull

    settings = settings_for(home, config=config)
    with registry_session(settings, create=True) as session:
        _check(settings, model)
        request = DownloadRequest(model, revision, format_, precision, tuple(include or ()))
        with session.audit.recording(user_name(), "models.pull", model):
            job = enqueue_pull(session.jobs, request, "cli", store=session.store.id)
        job = run_to_success(settings, session, job, quiet=json)
    if json:
        print_json(dict(job.result))
        return
    count, size = len(job.result["files"]), job.result["size_bytes"]
    told = f"{count} file{'s' * (count != 1)}, {bytes_text(size)}" if count else "everything was here already"
    console.print(f"pulled {model}: {told}")


def _check(settings: Settings, model: str) -> None:
    from panope_server.app.hub import check_vendor

    check_vendor(settings, model)
