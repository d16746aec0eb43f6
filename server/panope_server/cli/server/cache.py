"""Commands on the response cache of a running server."""

from __future__ import annotations

import typer

from panope_server.cli.client import client_at
from panope_server.cli.options import Address, Json
from panope_server.cli.output.console import bytes_text, console, print_json, print_table

cache = typer.Typer(help="Tell how well a server's response cache does, and empty it.", no_args_is_help=True)


@cache.command("show")
def show(address: Address = None, json: Json = False) -> None:
    """Tell what the cache holds, and how often it had the answer, for each model."""
    with client_at(address) as client:
        told = client.cache_statistics()
    if json:
        print_json(
            {
                "entries": told.entry_count,
                "size_bytes": told.size_bytes,
                "max_bytes": told.max_bytes,
                "shared": told.shared,
                "models": [
                    {
                        "model": each.model,
                        "hits": each.hit_count,
                        "misses": each.miss_count,
                        "joined": each.joined_count,
                    }
                    for each in told.models
                ],
                "evicted": told.evicted_count,
                "expired": told.expired_count,
                "shared_failures": told.shared_failure_count,
                "flushes": told.flush_count,
            }
        )
        return
    shared = f"; the shared store failed {told.shared_failure_count:,} times" if told.shared else ""
    console.print(
        f"{told.entry_count:,} answers in {bytes_text(told.size_bytes)} of {bytes_text(told.max_bytes)}; "
        f"{told.evicted_count:,} went for want of room, {told.expired_count:,} after their time{shared}",
    )
    rows = [
        (
            each.model,
            f"{each.hit_count:,}",
            f"{each.joined_count:,}",
            f"{each.miss_count:,}",
            f"{_rate(each.hit_count + each.joined_count, each.miss_count):.0%}",
        )
        for each in told.models
    ]
    print_table(("MODEL", "HITS", "JOINED", "MISSES", "RATE"), rows, empty="no answer was looked for yet")


@cache.command("flush")
def flush(address: Address = None, json: Json = False) -> None:
    """Forget every kept answer of a server, and of the store that servers share."""
    with client_at(address) as client:
        count = client.flush_cache()
    if json:
        print_json({"flushed": count})
        return
    console.print(f"{count:,} answers forgotten")


def _rate(found: int, computed: int) -> float:
    return found / (found + computed) if found + computed else 0.0
