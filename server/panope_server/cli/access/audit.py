"""`panope audit`: what was done, by whom, and what was refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from panope_server.cli.access.keys import duration_of
from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import print_json, print_table
from panope_server.cli.registry_session import registry_session


def audit(
    principal: Annotated[str, typer.Option("--principal", help="Only what this key or user did.")] = "",
    action: Annotated[
        str, typer.Option("--action", help="Only such, or with a dot at its end all of a kind, as `keys.`.")
    ] = "",
    since: Annotated[str, typer.Option("--since", help="Only the last so much, such as `7d`.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many events, the newest.")] = 100,
    before: Annotated[
        int | None, typer.Option("--before", min=1, help="Only those before the event of this id: the next page.")
    ] = None,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell what was done, by whom, and what was refused, the newest first."""
    from panope_registry.tables.columns import now

    with registry_session(settings_for(home, config=config)) as session:
        back = duration_of(since, "since") if since else timedelta()
        events = session.audit.list(
            principal=principal, action=action, since=now() - back if back else None, before=before or 0, limit=limit
        )
    if json:
        print_json(events)
        return
    rows = (
        (
            str(event.id),
            f"{event.created_at:%Y-%m-%d %H:%M:%S}",
            event.principal,
            event.action,
            event.target or "-",
            event.outcome,
            event.peer or "-",
            event.request_id or "-",
        )
        for event in events
    )
    print_table(("ID", "AT (UTC)", "WHO", "ACTION", "TARGET", "OUTCOME", "FROM", "REQUEST"), rows, empty="no events")
