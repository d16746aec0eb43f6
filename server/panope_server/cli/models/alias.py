"""Commands on aliases; no server is needed, and a running one follows within a second."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from panope_backends.errors import InvalidInputError
from panope_registry.models.routes import Route, RoutePolicy
from panope_server.cli.access.keys import duration_of
from panope_server.cli.models import routes
from panope_server.cli.models.routes import policy_of, targets_of
from panope_server.cli.options import NAME_FORM, ConfigFile, Home, Json, settings_for
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
    rows = (
        (entry.name, _points_to(entry), str(entry.version), f"{entry.updated_at:%Y-%m-%d %H:%M}") for entry in found
    )
    print_table(("ALIAS", "POINTS TO", "VERSION", "SINCE (UTC)"), rows, empty="no aliases")


@alias.command("set")
def set_alias(
    name: Name,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="The model; or several, as `MODEL=WEIGHT` or for a bandit as `MODEL`, each perhaps with `@DIGEST` of "
            "a variant.",
        ),
    ],
    variant: Annotated[
        str, typer.Option("--variant", help="The variant to run, by its digest; chosen at each load when not given.")
    ] = "",
    policy: Annotated[
        str, typer.Option("--policy", help="How calls are split among several: `weights` or `bandit`.")
    ] = "weights",
    metric: Annotated[
        str, typer.Option("--metric", help="What a bandit learns from: `latency`, `cost` or `reward`.")
    ] = "",
    sticky: Annotated[bool, typer.Option("--sticky", help="Calls of one user go to one model.")] = False,
    price: Annotated[
        list[str],
        typer.Option("--price", metavar="MODEL=PRICE", help="Of a second of its device, for the metric `cost`."),
    ] = [],  # noqa: B006 - Typer makes a new one for each run
    half_life: Annotated[
        str, typer.Option("--half-life", help="After which an observation counts half; `0s` for never.")
    ] = "1d",
    on_unready: Annotated[
        str,
        typer.Option(
            "--on-unready", help="A call whose model does not serve gets another (`skip`), or waits (`wait`)."
        ),
    ] = "skip",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another one splits the calls otherwise.")] = 0,
    expected: Expected = None,
    reason: Reason = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Point an alias to a model, to one variant of it, or to several among which its calls are split."""
    targets = targets_of(models, price)
    how = policy_of(
        policy,
        metric,
        sticky=sticky,
        seed=seed,
        half_life_seconds=duration_of(half_life, "half_life").total_seconds(),
        on_unready=on_unready,
    )
    with registry_session(settings_for(home, config=config)) as session:
        with session.audit.recording(user_name(), "aliases.set", f"{name} -> {' '.join(models)}"):
            if len(targets) > 1 or how != RoutePolicy() or targets[0].weight:
                if variant:
                    raise InvalidInputError("`--variant` is for one model; write MODEL@DIGEST", field="--variant")
                entry = session.aliases.set_route(
                    name, Route(targets, how), expected=expected, principal=user_name(), reason=reason
                )
            else:
                (target,) = targets
                if variant and target.variant_digest:
                    raise InvalidInputError("`--variant` and MODEL@DIGEST exclude each other", field="--variant")
                entry = session.aliases.set(
                    name,
                    target.model,
                    variant_digest=variant or target.variant_digest,
                    expected=expected,
                    principal=user_name(),
                    reason=reason,
                )
        _tell(entry, json=json)


@alias.command("show")
def show(
    name: Name,
    user: Annotated[str, typer.Option("--user", help="Whose target to tell, where calls of a user go to one.")] = "",
    request_id: Annotated[str, typer.Option("--request-id", help="The request whose target to tell.")] = "",
    home: Home = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Tell how an alias splits its calls among several models, what was observed of each, and which one a user gets."""
    if user and request_id:
        raise InvalidInputError("`--user` and `--request-id` exclude each other", field="--user")
    with registry_session(settings_for(home, config=config)) as session:
        entry = session.aliases.get(name)
        if entry.route is None:
            _tell(entry, json=json)
            return
        explanation = routes.explained(session, entry, user, request_id)
    if json:
        from panope_server.transport.rest.panope.route_schemas import explanation_json

        print_json(explanation_json(explanation))
    else:
        routes.tell(explanation, of_unit=bool(user or request_id))


@alias.command("reward")
def reward(
    name: Name,
    target: Annotated[str, typer.Argument(help="The model that answered, as the answer's `model` told it.")],
    value: Annotated[float, typer.Argument(min=0, max=1, help="0 for useless to 1 for perfect.")],
    home: Home = None,
    config: ConfigFile = None,
) -> None:
    """Tell how good an answer was, for a bandit on rewards."""
    with registry_session(settings_for(home, config=config)) as session:
        routes.count_reward(session, session.aliases.get(name), target, value)
    console.print(f"counted for {target}")


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
        (str(event.version), event.action.value, event.target or "-", event.principal, event.reason) for event in events
    )
    print_table(("VERSION", "WHAT", "POINTS TO", "WHO", "WHY"), rows, empty="no changes")


def _tell(entry: AliasEntry, *, json: bool) -> None:
    if json:
        print_json(_document(entry))
    else:
        console.print(f"{entry.name} points to {_points_to(entry)} (version {entry.version})")


def _points_to(entry: AliasEntry) -> str:
    if entry.route is None or entry.route.policy.metric is None:
        return entry.target
    return f"{entry.target} (a bandit on {entry.route.policy.metric})"


def _document(entry: AliasEntry) -> dict[str, object]:
    return {
        "name": entry.name,
        "model": entry.target_model,
        "variant_digest": entry.variant_digest,
        "targets": [] if entry.route is None else [asdict(target) for target in entry.route.targets],
        "policy": None if entry.route is None else entry.route.policy.document(),
        "version": entry.version,
        "updated_at": entry.updated_at.isoformat(),
    }
