"""`panope log`: the sample of calls that the registry keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import console, print_json, print_table
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_registry.serving_records.inference_log import InferenceLog, LogFilter, LoggedCall

FOLLOW_SECONDS = 1.0
MANY = 1000
COLUMNS = ("ENDED (UTC)", "REQUEST", "KEY", "MODEL", "TASK", "MS", "IN", "OUT", "STATUS", "WHY")


def log(
    model: Annotated[str, typer.Option("--model", help="Only of this model.")] = "",
    task: Annotated[str, typer.Option("--task", help="Only of models of this task.")] = "",
    key: Annotated[
        str | None, typer.Option("--key", help="Only of this caller; an empty one for callers that nobody knows.")
    ] = None,
    status: Annotated[str, typer.Option("--status", help="Only these: ok, error or cancelled.")] = "",
    request_id: Annotated[str, typer.Option("--request-id", help="Only the call of this request id.")] = "",
    since: Annotated[
        str,
        typer.Option("--since", help="Only those that ended since a day, a moment of RFC 3339, or such as 36h or 7d."),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=MANY, help="How many, the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on telling calls as they are written.")] = False,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell the calls that the registry keeps, the newest last: a sample, as `inference_log.sample_ratio` says."""
    from panope_registry.serving_records.inference_log import LogFilter
    from panope_server.transport.usage_json import moment_of

    settings = settings_for(home, config=config)
    with registry_session(settings) as session:
        only = LogFilter(
            model=model, task=task, principal=key, status=status, request_id=request_id, since=moment_of(since, "since")
        )
        found = session.inference_log.find(only, limit=limit)
        if follow:
            _follow(session.inference_log, only, found, json=json)
    if json:
        print_json([call_json(number, call) for number, call in found])
        return
    empty = "no calls are kept: `inference_log.sample_ratio` says which part of them is"
    print_table(COLUMNS, (_row(call) for _, call in found), empty=empty)


def call_json(number: int, call: LoggedCall) -> dict[str, Any]:
    """A call in the words of the design that Panope grew from, and what it tells beside them."""
    return {
        "id": number,
        "timestamp": call.created_at.isoformat(),
        "request_id": call.request_id,
        "user_session_id": call.session,
        "logical_model": call.model,
        "variant_digest": call.variant_digest or None,
        "runtime_instance": call.instance or None,
        "task_type": call.task,
        "latency_ms": round(call.duration_seconds * 1000, 3),
        "input_size": call.input_units,
        "output_size": call.output_units,
        "status": call.status,
        "error_type": call.outcome if call.status == "error" else None,
        "error_message": call.error_message,
        "key": call.principal,
        "interface": call.interface,
        "prompt": call.prompt,
    }


def _follow(table: InferenceLog, only: LogFilter, found: list[tuple[int, LoggedCall]], *, json: bool) -> None:
    """Tells the calls that were found and those that come, a line each, until the reader has enough."""
    import orjson

    try:
        for number, call in _coming(table, only, found):
            if json:
                typer.echo(orjson.dumps(call_json(number, call)).decode())
            else:
                console.print("  ".join(_row(call)), soft_wrap=True)
    except (KeyboardInterrupt, BrokenPipeError):
        raise SystemExit(0) from None


def _coming(
    table: InferenceLog, only: LogFilter, found: list[tuple[int, LoggedCall]]
) -> Iterator[tuple[int, LoggedCall]]:
    last = 0
    while True:
        yield from found
        last = found[-1][0] if found else last
        time.sleep(FOLLOW_SECONDS)
        found = table.find(only, after=last, limit=MANY)


def _row(call: LoggedCall) -> list[str]:
    return [
        f"{call.created_at:%Y-%m-%d %H:%M:%S}",
        call.request_id,
        call.principal or "-",
        call.model,
        call.task,
        f"{call.duration_seconds * 1000:.1f}",
        f"{call.input_units:,}",
        f"{call.output_units:,}",
        call.status,
        call.error_message or (call.outcome if call.status == "error" else "-"),
    ]
