"""Commands on the limits that all callers of a model share; a key's own are given when it is made."""

from __future__ import annotations

from typing import Annotated

import typer

from panope_server.cli.access.keys import parsed_limits
from panope_server.cli.options import ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import console, print_json, print_table
from panope_server.cli.registry_session import registry_session, user_name

limits = typer.Typer(help="Limit what all callers of a model may ask for together.", no_args_is_help=True)


@limits.command("set")
def set_limits(
    model: Model,
    rate: Annotated[
        list[str] | None, typer.Option("--rate", help="Requests, such as `100/s`; may be repeated.")
    ] = None,
    tokens: Annotated[
        list[str] | None, typer.Option("--tokens", help="Tokens, such as `1M/day`; may be repeated.")
    ] = None,
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Give a model limits, in place of those that it had."""
    from panope_registry.access.key_types import limits_text

    with registry_session(settings_for(home, config=config), create=True) as session:
        wanted = [*parsed_limits(rate, "requests", "rate"), *parsed_limits(tokens, "tokens", "tokens")]
        told = f"{model}: {', '.join(limits_text(wanted))}"
        with session.audit.recording(user_name(), "limits.set", told):
            session.model_limits.set(model, wanted)
    console.print(f"{model} is limited; running servers follow within two seconds")


@limits.command("rm")
def remove(model: Model, home: Home = None, config: ConfigFile = None) -> None:
    """Take a model's limits away."""
    with (
        registry_session(settings_for(home, config=config)) as session,
        session.audit.recording(user_name(), "limits.delete", model),
    ):
        session.model_limits.remove(model)
    console.print(f"{model} has no limits")


@limits.command("ls", hidden=True)
@limits.command("list")
def list_limits(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the models that have limits."""
    from panope_registry.access.key_types import limits_text

    with registry_session(settings_for(home, config=config)) as session:
        found = [(model, limits_text(given)) for model, given in session.model_limits.list()]
    if json:
        print_json([{"model": model, "limits": given} for model, given in found])
        return
    print_table(("MODEL", "LIMITS"), ((model, ", ".join(given)) for model, given in found), empty="no limits")
