"""`panope job-worker`: runs jobs, beside a server or without one."""

from __future__ import annotations

from typing import Annotated

import typer

from panope_backends.errors import PanopeError
from panope_server.cli.options import ConfigFile, Home, settings_for
from panope_server.cli.output.console import fail


def worker(
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=0, max=64, help="Jobs at a time; 0 for what the settings say.")
    ] = 0,
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Where /metrics is served; 0 for nowhere.")
    ] = 0,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Run jobs until Ctrl-C; several workers, on several machines, share the jobs of one database."""
    from panope_server.app.registry_session import open_registry_session
    from panope_server.job_worker.worker import log_event, run_jobs, stop_on_signals
    from panope_server.observability.downloads import serve_metrics
    from panope_server.observability.logging import configure_logging

    settings = settings_for(home, config=config)
    configure_logging(settings.log_level, settings.log_format)
    try:
        counts = serve_metrics(settings.host, metrics_port) if metrics_port else None
        with open_registry_session(settings, log_event) as session:
            run_jobs(settings, session, stop_on_signals(), concurrency=concurrency, counts=counts)
    except PanopeError as error:
        fail(error.message)
