"""Commands on API keys; no server is needed, and running ones follow within two seconds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from panope_backends.errors import InvalidInputError
from panope_server.cli.options import ConfigFile, Home, Json, settings_for
from panope_server.cli.output.console import console, note, print_json, print_table
from panope_server.cli.registry_session import registry_session, user_name

if TYPE_CHECKING:
    from panope_registry.access.key_types import IssuedKey, KeyEntry
    from panope_registry.access.limits import Limit
    from panope_registry.access.pepper import Peppers
    from panope_server.config import Settings

keys = typer.Typer(help="Make, list, rotate and revoke API keys.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="The key, by its name or its id.")]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_DURATION = re.compile(r"(\d{1,9})([smhdwy])", re.ASCII)


@keys.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="For people; of no other key.")],
    scopes: Annotated[
        list[str],
        typer.Option("--scope", help="What it may do, such as `embed:*`, `models:read` or `admin`; may be repeated."),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model", help="A model or alias it may use, or `VENDOR/*`; may be repeated; all when not given."
        ),
    ] = None,
    rate: Annotated[
        list[str] | None, typer.Option("--rate", help="Requests it may make, such as `100/s`; may be repeated.")
    ] = None,
    tokens: Annotated[
        list[str] | None, typer.Option("--tokens", help="Tokens it may use, such as `1M/day`; may be repeated.")
    ] = None,
    max_priority: Annotated[
        str, typer.Option("--max-priority", help="The most urgent its calls may be: low, normal or high.")
    ] = "high",
    expires: Annotated[str, typer.Option("--expires", help="When it ends, such as `90d`; never when not given.")] = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Make a key and print it; it is shown this once."""
    from panope_registry.access.key_types import KeySpec
    from panope_registry.access.priority import Priority
    from panope_registry.access.scopes import ModelPatterns, Scopes
    from panope_registry.tables.columns import now
    from panope_server.tasks.catalog import check_scopes

    settings = settings_for(home, config=config)
    with registry_session(settings, create=True) as session:
        check_scopes(scopes)
        spec = KeySpec(
            name=name,
            scopes=Scopes.parse(scopes),
            models=ModelPatterns.parse(models or ["*"]),
            max_priority=Priority.parse(max_priority, "max_priority"),
            limits=(*parsed_limits(rate, "requests", "rate"), *parsed_limits(tokens, "tokens", "tokens")),
            expires_at=now() + duration_of(expires, "expires") if expires else None,
        )
        with session.audit.recording(user_name(), "keys.create", name):
            issued = session.keys.create(spec, peppers=_peppers(settings), created_by=user_name())
        _show(issued, json=json)


@keys.command("ls", hidden=True)
@keys.command("list")
def list_keys(
    include_ended: Annotated[bool, typer.Option("--all", help="Also keys that were revoked or have expired.")] = False,
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List the keys, without their secrets."""
    from panope_registry.tables.columns import now

    with registry_session(settings_for(home, config=config)) as session:
        found = session.keys.list(include_ended=include_ended)
    if json:
        print_json([document(entry) for entry in found])
        return
    rows = (
        (
            entry.name,
            entry.id,
            entry.state(now()),
            " ".join(entry.scopes.texts),
            " ".join(entry.models.texts),
            _moment(entry.expires_at, "never"),
            _moment(entry.last_used_at, "-"),
        )
        for entry in found
    )
    print_table(("NAME", "ID", "STATE", "SCOPES", "MODELS", "EXPIRES", "LAST USED (UTC)"), rows, empty="no keys")


@keys.command("show")
def show(key: Key, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Tell all about one key but its secret."""
    with registry_session(settings_for(home, config=config)) as session:
        facts = document(session.keys.get(key))
    if json:
        print_json(facts)
        return
    for name, value in facts.items():
        words = " ".join(value) if isinstance(value, list) else value
        console.print(f"{name.replace('_', ' '):<14}{'-' if words in (None, '') else words}")


@keys.command("rotate")
def rotate(
    key: Key,
    grace: Annotated[
        str, typer.Option("--grace", help="How long the secret before stays good, such as `1d`; `0s` ends it now.")
    ] = "1d",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Give a key a new secret and print it; it is shown this once."""
    settings = settings_for(home, config=config)
    with registry_session(settings) as session:
        with session.audit.recording(user_name(), "keys.rotate", key):
            issued = session.keys.rotate(key, peppers=_peppers(settings), grace=duration_of(grace, "grace"))
        _show(issued, json=json)


@keys.command("revoke")
def revoke(key: Key, home: Home = None, json: Json = False, config: ConfigFile = None) -> None:
    """Take a key back for good."""
    with (
        registry_session(settings_for(home, config=config)) as session,
        session.audit.recording(user_name(), "keys.revoke", key),
    ):
        entry = session.keys.revoke(key)
    if json:
        print_json(document(entry))
    else:
        console.print(f"{entry.name} is revoked; running servers refuse it within two seconds")


def duration_of(text: str, field: str) -> timedelta:
    """A time as people write it, such as `90d` or `12h`; InvalidInputError for what is none."""
    found = _DURATION.fullmatch(text)
    if found is None or (seconds := int(found[1]) * _SECONDS[found[2]]) > 100 * _SECONDS["y"]:
        raise InvalidInputError.at(field, "{field} must be a number and one of s, m, h, d, w, y, such as `90d`")
    return timedelta(seconds=seconds)


def document(entry: KeyEntry) -> dict[str, object]:
    """A key as JSON tells of it."""
    from panope_registry.access.key_types import limits_text
    from panope_registry.tables.columns import now

    return {
        "id": entry.id,
        "name": entry.name,
        "state": entry.state(now()),
        "scopes": entry.scopes.texts,
        "models": list(entry.models.texts),
        "limits": limits_text(entry.limits),
        "max_priority": entry.max_priority.word,
        "secret_count": entry.secret_count,
        "created_by": entry.created_by,
        "created_at": entry.created_at.isoformat(),
        "expires_at": entry.expires_at and entry.expires_at.isoformat(),
        "revoked_at": entry.revoked_at and entry.revoked_at.isoformat(),
        "last_used_at": entry.last_used_at and entry.last_used_at.isoformat(),
    }


def _show(issued: IssuedKey, *, json: bool) -> None:
    if json:
        print_json(document(issued.entry) | {"key": str(issued.key)})
        return
    console.print(str(issued.key), soft_wrap=True)
    note(f"the key `{issued.entry.name}` is shown this once; send it as `authorization: Bearer KEY`")


def parsed_limits(texts: Iterable[str] | None, counted: str, field: str) -> list[Limit]:
    """The limits of an option, which may be repeated; InvalidInputError for what is none."""
    from panope_registry.access.limits import Counted, Limit

    return [Limit.parse(text, Counted(counted), field) for text in texts or ()]


def _peppers(settings: Settings) -> Peppers:
    from panope_registry.access.pepper import Peppers

    return Peppers.open(settings.home_path)


def _moment(moment: datetime | None, otherwise: str) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else otherwise
