"""Everything that a route's choice comes from, for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from panope_registry.models.routes import Metric
from panope_registry.serving_records.route_statistics import FAILURE, Moments, StatisticKey
from panope_server.runtime.names import NamedRoute, ResolvedName
from panope_server.runtime.routing.router import Decision, Router, Sums, Unit


@dataclass(frozen=True)
class TargetView:
    """A target, and what is known of it. What nobody observed is None.

    Attributes:
        resolved: what it means.
        weight: 0 for one of a bandit.
        price: of a second of its device.
        part: of the calls, that it gets now.
        calls: that were observed, however old.
        failure_ratio: of calls that failed, 0 to 1; as all below, of what is old less counts.
        latency_seconds: that a call typically takes, the geometric mean.
        cost: that a call typically has, by its device's seconds and their price.
        reward: the mean of what was reported, 0 to 1.
        rewards: how many were reported, however old.
        state: why it does not answer calls here; empty where it does, or nobody knows.
    """

    resolved: ResolvedName
    weight: float
    price: float
    part: float
    calls: int
    failure_ratio: float | None
    latency_seconds: float | None
    cost: float | None
    reward: float | None
    rewards: int
    state: str = ""


@dataclass(frozen=True)
class Explanation:
    """A route, what is known of its targets, and which of them a unit gets."""

    named: NamedRoute
    decision: Decision
    targets: Sequence[TargetView]


class KnownSums:
    """Sums that were read once, for those without a server.

    Args:
        sums: what the registry told.
    """

    def __init__(self, sums: Mapping[StatisticKey, Moments]) -> None:
        self._sums = sums

    def of(self, named: NamedRoute, metric: str) -> dict[str, Moments]:
        """What is known of each target, by its text."""
        texts = (target.text for target in named.route.targets)
        return {text: self._sums.get(StatisticKey(named.id, text, metric), Moments()) for text in texts}

    def revision(self, named: NamedRoute) -> int:
        """Always the same."""
        del named
        return 0


def explain(named: NamedRoute, unit: Unit, sums: Sums, router: Router, states: Mapping[str, str]) -> Explanation:
    """Which target a unit gets, and why.

    Args:
        named: the route.
        unit: a user, a key or a request.
        sums: what was observed.
        router: chooses.
        states: why targets do not answer, by their texts; empty for those that do.
    """
    decision = router.decide(named, unit)
    known = {metric: sums.of(named, metric) for metric in (*Metric, FAILURE)}
    views = []
    for target in named.route.targets:
        latency, cost, reward, failure = (known[metric][target.text] for metric in (*Metric, FAILURE))
        views.append(
            TargetView(
                resolved=named.targets[target.text],
                weight=target.weight,
                price=target.price,
                part=decision.parts[target.text],
                calls=failure.calls,
                failure_ratio=failure.mean if failure.calls else None,
                latency_seconds=math.exp(latency.mean) if latency.calls else None,
                cost=math.exp(cost.mean) if cost.calls else None,
                reward=reward.mean if reward.calls else None,
                rewards=reward.calls,
                state=states.get(target.text, ""),
            )
        )
    return Explanation(named, decision, views)
