"""`panope usage`: what callers have used, from the registry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import bytes_text, fail, print_json, print_table
from panope_server.cli.registry_session import registry_session

if TYPE_CHECKING:
    from panope_server.transport.usage_json import UsageSumJson

_BY = "What sums are told by, with commas between: `key`, `model`, `task`, `day` or `hour`."
_WHEN = "a day such as 2026-01-02, a moment of RFC 3339, or so long ago such as 36h or 7d."

ANONYMOUS = "(anonymous)"
HEADS = ("REQUESTS", "FAILED", "TOKENS IN", "CACHED", "TOKENS OUT", "BYTES IN", "BYTES OUT", "DEVICE")


def usage(
    since: Annotated[str, typer.Option("--since", help=f"From the hour of this moment on: {_WHEN}")] = "",
    until: Annotated[str, typer.Option("--until", help=f"Before the hour of this moment: {_WHEN}")] = "",
    by: Annotated[str, typer.Option("--by", help=_BY)] = "key,model,task",
    key: Annotated[
        str | None, typer.Option("--key", help="Only of this caller; an empty one for callers that nobody knows.")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="Only of this model.")] = "",
    task: Annotated[str, typer.Option("--task", help="Only of this task.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets and billing.")] = False,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell what callers have used: requests, tokens, bytes and device time, of all servers of the registry."""
    from panope_registry.serving_records.usage import UsageFilter
    from panope_server.transport.usage_json import dimensions_of, moment_of, usage_sum_json

    if csv and json:
        fail("`--csv` and `--json` exclude each other", 2)
    with registry_session(settings_for(home, config=config)) as session:
        only = UsageFilter(
            since=moment_of(since, "since"), until=moment_of(until, "until"), principal=key, model=model, task=task
        )
        dimensions = dimensions_of(by)
        found = [usage_sum_json(each) for each in session.usage.sums(only, by=dimensions)]
    told = [name for name in ("period", "key", "model", "task") if name in _columns(dimensions)]
    if json:
        print_json(found)
    elif csv:
        _print_csv(found, told)
    else:
        _print_table(found, told)


def _columns(dimensions: Sequence[str]) -> set[str]:
    return {"period" if dimension in ("day", "hour") else str(dimension) for dimension in dimensions}


def _print_csv(found: Sequence[UsageSumJson], told: Sequence[str]) -> None:
    """Comma-separated values as RFC 4180 has them, under a line of names."""
    import csv

    from panope_server.transport.usage_json import UsageSumJson

    names = [*told, *list(UsageSumJson.__annotations__)[4:]]
    writer = csv.DictWriter(sys.stdout, names, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(found)


def _print_table(found: Sequence[UsageSumJson], told: Sequence[str]) -> None:
    heads = [*(name.upper() for name in told), *HEADS]
    print_table(heads, (_row(each, told) for each in found), empty="nothing was used")


def _row(each: UsageSumJson, told: Sequence[str]) -> list[str]:
    words = {
        "period": each["period"] or "",
        "key": each["key"] or ANONYMOUS,
        "model": each["model"] or "",
        "task": each["task"] or "",
    }
    tokens = (each["requests"], each["failed_requests"], each["input_tokens"], each["cached_tokens"])
    return [
        *(words[name] for name in told),
        *(f"{number:,}" for number in (*tokens, each["output_tokens"])),
        bytes_text(each["input_bytes"]),
        bytes_text(each["output_bytes"]),
        f"{each['device_seconds']:.3f} s",
    ]
