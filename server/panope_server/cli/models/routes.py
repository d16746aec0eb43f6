"""What `panope alias` does with several targets: reads them as they are written, and tells what is observed of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_registry.models.routes import Metric, OnUnready, PolicyKind, RoutePolicy, RouteTarget
from panope_server.cli.output.console import console, print_table

if TYPE_CHECKING:
    from panope_registry.models.alias_types import AliasEntry
    from panope_registry.session import RegistrySession
    from panope_server.runtime.names import NamedRoute
    from panope_server.runtime.routing.explanation import Explanation, TargetView


def targets_of(texts: Sequence[str], prices: Sequence[str] = ()) -> tuple[RouteTarget, ...]:
    """Targets as commands write them: `MODEL`, `MODEL@DIGITS`, each with `=WEIGHT` where it has one.

    Raises:
        InvalidInputError: a weight or a price is no number, or a price is of no target.
    """
    price_of = dict(_pair(text, "--price") for text in prices)
    targets = []
    for text in texts:
        name, equals, _ = text.rpartition("=")
        name, weight = _pair(text, "the targets") if equals else (text, 0.0)
        model, _, digits = name.partition("@")
        targets.append(RouteTarget(model, digits, weight, price_of.pop(name, 1.0)))
    if price_of:
        raise InvalidInputError.at("--price", "{field} names `{name}`, which is no target", name=next(iter(price_of)))
    return tuple(targets)


def policy_of(
    kind: str, metric: str, *, sticky: bool, seed: int, half_life_seconds: float, on_unready: str
) -> RoutePolicy:
    """How calls are split, as options say it.

    Raises:
        InvalidInputError: a word means nothing.
    """
    return RoutePolicy(
        PolicyKind(_word(kind, "--policy", [*PolicyKind])),
        Metric(_word(metric, "--metric", [*Metric])) if metric else None,
        sticky,
        seed,
        half_life_seconds,
        OnUnready(_word(on_unready, "--on-unready", [*OnUnready])),
    )


def named_route(entry: AliasEntry) -> NamedRoute:
    """An alias's route; PreconditionError for an alias of one target."""
    from panope_server.runtime.names import NamedRoute

    if entry.route is None:
        raise PreconditionError(f"`{entry.name}` has one target, so nothing is chosen", reason="no_route")
    return NamedRoute(entry.name, entry.version, entry.route)


def explained(session: RegistrySession, entry: AliasEntry, user: str, request_id: str) -> Explanation:
    """Which target a user, or a request, gets by what all servers have observed; every one is taken to serve."""
    from panope_server.runtime.routing.explanation import KnownSums, explain
    from panope_server.runtime.routing.router import Router, Unit

    named = named_route(entry)
    sums = KnownSums(session.routes.of({named.id: named.route.policy.half_life_seconds}))
    unit = Unit("user", user) if user else Unit("request", request_id)
    return explain(named, unit, sums, Router(sums), {})


def count_reward(session: RegistrySession, entry: AliasEntry, target: str, reward: float) -> None:
    """Counts how good an answer of a target was.

    Raises:
        InvalidInputError: the target is none of the alias's.
    """
    from panope_registry.serving_records.route_statistics import Moments, StatisticKey

    named = named_route(entry)
    known = {resolved.key: text for text, resolved in named.targets.items()}
    text = target if target in named.targets else known.get(target)
    if text is None:
        raise InvalidInputError(f"`{target}` is none of the targets of `{entry.name}`: {', '.join(known)}")
    moments = Moments()
    moments.observe(reward)
    session.routes.add(
        {StatisticKey(named.id, text, Metric.REWARD): moments}, {named.id: named.route.policy.half_life_seconds}
    )


def tell(explanation: Explanation, *, of_unit: bool) -> None:
    """Prints what is known of each target; with a unit, which of them it gets."""
    policy = explanation.named.route.policy
    how = "by weights" if policy.metric is None else f"by a bandit on {policy.metric}"
    sticky = ", and users stay with their target" if policy.sticky else ""
    console.print(f"{explanation.named.alias} splits its calls {how}{sticky}")
    columns = ("TARGET", "SHARE", "CALLS", "FAILED", "LATENCY", "COST", "REWARD")
    print_table(columns, map(_row, explanation.targets), empty="no targets")
    if of_unit:
        decision = explanation.decision
        console.print(f"gets {decision.resolved.key}: {decision.reason}")


def _row(view: TargetView) -> Sequence[str]:
    return (
        view.resolved.key,
        f"{view.part:.1%}",
        f"{view.calls:,}",
        "-" if view.failure_ratio is None else f"{view.failure_ratio:.1%}",
        "-" if view.latency_seconds is None else f"{view.latency_seconds * 1000:,.1f} ms",
        "-" if view.cost is None else f"{view.cost:.3g}",
        "-" if view.reward is None else f"{view.reward:.3f} ({view.rewards:,})",
    )


def _pair(text: str, field: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    try:
        return name, float(number)
    except ValueError:
        raise InvalidInputError(f"{field}: `{text}` must be MODEL=NUMBER, such as `acme/tiny=10`") from None


def _word(text: str, option: str, known: Sequence[str]) -> str:
    if text not in known:
        raise InvalidInputError(f"`{option}` must be one of {', '.join(known)}", field=option)
    return text
