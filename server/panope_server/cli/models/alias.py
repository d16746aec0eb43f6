"""Commands on aliases; no server is needed, and a running one follows within a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from panope_server.cli.options import NAME_FORM, ConfigFile, Home, Json, Model, settings_for
from panope_server.cli.output.console import console, print_json, print_table
from panope_server.cli.registry_session import registry_session, user_name

if TYPE_CHECKING:
    from panope_registry.models.alias_types import AliasEntry

alias = typer.Typer(help="Point names to models, and back.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help=f"The alias, as {NAME_FORM}.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for people.")]
Expected = Annotated[
    str | None,
    typer.Option("--expected", help="The model that it must point to now; '' for an alias that must not exist."),
]


@alias.command("list", hidden=True)
@alias.command("ls")
def ls(home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """List the aliases."""
    with registry_session(settings_for(home, config=config)) as session:
        found = session.aliases.list()
    if json:
        print_json([_document(entry) for entry in found])
        return
    rows = ((entry.name, entry.target, str(entry.version), f"{entry.updated_at:%Y-%m-%d %H:%M}") for entry in found)
    print_table(("ALIAS", "POINTS TO", "VERSION", "SINCE (UTC)"), rows, empty="no aliases")


@alias.command("set")
def set_alias(
    name: Name,
    model: Model,
    variant: Annotated[
        str, typer.Option("--variant", help="The variant to run, by its digest; chosen at each load when not given.")
    ] = "",
    expected: Expected = None,
    reason: Reason = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Point an alias to a model, or to one variant of it."""
    with registry_session(settings_for(home, config=config)) as session:
        with session.audit.recording(user_name(), "aliases.set", f"{name} -> {model}"):
            entry = session.aliases.set(
                name, model, variant_digest=variant, expected=expected, principal=user_name(), reason=reason
            )
        _tell(entry, json=json)


@alias.command("rollback")
def rollback(
    name: Name,
    expected: Expected = None,
    reason: Reason = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Point an alias to where it pointed before."""
    with registry_session(settings_for(home, config=config)) as session:
        with session.audit.recording(user_name(), "aliases.rollback", name):
            entry = session.aliases.rollback(name, user_name(), reason, expected=expected)
        _tell(entry, json=json)


@alias.command("rm")
def remove(
    name: Name,
    expected: Expected = None,
    reason: Reason = "",
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Forget an alias; its history stays."""
    with (
        registry_session(settings_for(home, config=config)) as session,
        session.audit.recording(user_name(), "aliases.delete", name),
    ):
        session.aliases.remove(name, user_name(), reason, expected=expected)
    console.print(f"alias {name} is gone")


@alias.command("history")
def history(name: Name, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Tell every change of an alias, the newest first."""
    with registry_session(settings_for(home, config=config)) as session:
        events = session.aliases.history(name)
    if json:
        print_json(events)
        return
    rows = (
        (str(event.version), event.action.value, event.target_model or "-", event.principal, event.reason)
        for event in events
    )
    print_table(("VERSION", "WHAT", "POINTS TO", "WHO", "WHY"), rows, empty="no changes")


def _tell(entry: AliasEntry, *, json: bool) -> None:
    if json:
        print_json(_document(entry))
    else:
        console.print(f"{entry.name} points to {entry.target} (version {entry.version})")


def _document(entry: AliasEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "model": entry.target_model,
        "variant_digest": entry.variant_digest,
        "version": entry.version,
        "updated_at": entry.updated_at.isoformat(),
    }
