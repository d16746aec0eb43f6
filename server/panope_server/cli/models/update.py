"""`panope update`: changes what a model's record says of it."""

from __future__ import annotations

from typing import Annotated

import typer

from panope_server.cli.models.show import keep_alive_text, model_document
from panope_server.cli.options import KEEP_ALIVE, ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import console, print_json
from panope_server.cli.registry_session import registry_session, user_name


def update(
    model: Model,
    keep_alive: Annotated[
        str,
        typer.Option(
            KEEP_ALIVE,
            help="How long it stays loaded unused, such as 300 or 5m; -1 for ever, 0 until a call has ended, "
            "'' as the settings say.",
        ),
    ],
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Change how long a model stays loaded that nobody uses. A running server takes it over within a second."""
    from panope_server.transport.keep_alive import recorded_keep_alive

    with (
        registry_session(settings_for(home, config=config)) as session,
        session.audit.recording(user_name(), "models.update", model),
    ):
        seconds = recorded_keep_alive(keep_alive, KEEP_ALIVE)
        entry = session.registry.set_keep_alive(model, seconds)
    if json:
        print_json(model_document(entry))
        return
    told = "as the settings say" if seconds is None else keep_alive_text(seconds)
    console.print(f"{model} stays loaded unused: {told}")
