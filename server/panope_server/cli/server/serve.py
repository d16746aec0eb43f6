"""`panope serve`: from flags to a running server, with a few lines for the person who started it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.options import ConfigFile, Home, settings_for
from panope_server.cli.output.console import console, fail
from panope_server.cli.server.demo import Demo, DemoModel, demo_calls, demo_models, import_demo

if TYPE_CHECKING:
    from panope_server.config import Settings


def serve(
    home: Home = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    http_port: Annotated[int | None, typer.Option(help="REST, by Envoy.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="gRPC.")] = None,
    admin_port: Annotated[int | None, typer.Option(help="Metrics, health and status.")] = None,
    envoy: Annotated[bool | None, typer.Option("--envoy/--no-envoy", help="Whether to start Envoy.")] = None,
    load: Annotated[list[str] | None, typer.Option(help="A model to load at start; may be repeated.")] = None,
    backend: Annotated[str | None, typer.Option(help="The backend for every model.")] = None,
    precision: Annotated[str | None, typer.Option(help="The precision for every model.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    auth: Annotated[
        str | None, typer.Option(help="Whether callers need an API key: off, optional or required.")
    ] = None,
    allow_unauthenticated: Annotated[
        bool | None, typer.Option("--allow-unauthenticated", help="Let other machines call, without any key.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting, as KEY=VALUE, such as limits.max_items=100.")
    ] = None,
    demo: Annotated[
        Demo | None,
        typer.Option(help="Import models of packages if need be, and load them: to embed, to chat, or both."),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Start the server."""
    models = demo_models(demo) if demo else []
    settings = settings_for(
        home,
        config=config,
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        admin_port=admin_port,
        envoy=envoy,
        load=[*(load or []), *(model.name for model in models)] or None,
        backend=backend,
        precision=precision,
        log_level=log_level,
        auth=auth,
        allow_unauthenticated=allow_unauthenticated,
        assignments=set_ or (),
    )
    if models:
        import_demo(settings, models)
    _run(settings, models)


def _run(settings: Settings, models: Sequence[DemoModel]) -> None:
    import asyncio

    from panope_server.app.app import App
    from panope_server.observability.log_file import log_file
    from panope_server.observability.logging import configure_logging
    from panope_server.runtime.home import StartError
    from panope_server.transport.grpc.event_loop import GrpcEventLoop

    file = log_file(
        settings.home_path / "logs/server.log", max_bytes=settings.log_file_bytes, kept=settings.log_file_count
    )
    configure_logging(settings.log_level, settings.log_format, file=file)

    def started(not_ready: Mapping[str, str]) -> None:
        console.print("\n".join(addresses(settings)), soft_wrap=True)
        for model, reason in not_ready.items():
            waiting(model, reason)

    def waiting(model: str, reason: str) -> None:
        console.print(f"not ready yet: {model}: {reason}", soft_wrap=True)

    def ready() -> None:
        if models and settings.envoy:
            console.print("\n".join(["", "Try:", *demo_calls(settings, models)]), soft_wrap=True)

    try:
        with asyncio.Runner(loop_factory=GrpcEventLoop) as runner:
            runner.run(App(settings, on_started=started, on_waiting=waiting, on_ready=ready).run())
    except StartError as error:
        fail(str(error))


def addresses(settings: Settings) -> list[str]:
    """Where the server listens, a line for each port."""
    scheme = "https" if settings.tls.is_on else "http"
    lines = [
        f"gRPC   {settings.host}:{settings.grpc_port}{' (TLS)' if settings.tls.is_on else ''}",
        f"admin  {scheme}://{settings.host}:{settings.admin_port}",
    ]
    return [f"REST   {scheme}://{settings.host}:{settings.http_port}", *lines] if settings.envoy else lines
