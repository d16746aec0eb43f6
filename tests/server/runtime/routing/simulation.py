"""Calls of an alias in a world whose distributions are known: no server, a clock of its own, and sums in memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from panope_registry.models.routes import Metric, PolicyKind, Route, RoutePolicy, RouteTarget
from panope_registry.serving_records.route_statistics import Moments, RouteId, StatisticKey
from panope_server.runtime.names import NamedRoute
from panope_server.runtime.routing.observations import RouteObservations
from panope_server.runtime.routing.router import Router, Unit

Draw = Callable[[random.Random], float]


class NoSums:
    """A registry in which nobody else has observed anything."""

    def add(self, observed: Mapping[StatisticKey, Moments], half_lives: Mapping[RouteId, float]) -> None:
        """Takes nothing."""

    def of(self, half_lives: Mapping[RouteId, float]) -> dict[StatisticKey, Moments]:
        """Knows nothing."""
        return {}


def route_of(targets: Sequence[str], policy: RoutePolicy, weights: Sequence[float] = ()) -> NamedRoute:
    """A route of an alias `prod`."""
    given = weights or [0.0] * len(targets)
    made = (RouteTarget(name, weight=weight) for name, weight in zip(targets, given, strict=True))
    return NamedRoute("prod", 1, Route(tuple(made), policy))


def bandit(metric: Metric, seed: int = 0, half_life_seconds: float = 0.0, *, sticky: bool = False) -> RoutePolicy:
    """A policy whose observations count for ever, unless told."""
    return RoutePolicy(PolicyKind.BANDIT, metric, sticky, seed, half_life_seconds)


@dataclass
class World:
    """Targets with what their calls take, or are worth.

    Attributes:
        draws: of each target, one call's value.
        calls_per_second: how fast time passes.
        chosen: the target of each call, in their order.
    """

    draws: dict[str, Draw]
    policy: RoutePolicy
    calls_per_second: float = 100.0
    chosen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seconds = 0.0
        self.named = route_of(list(self.draws), self.policy)
        self.observations = RouteObservations(NoSums(), lambda: self.seconds)
        self.router = Router(self.observations, clock=lambda: self.seconds)
        self._random = random.Random(self.policy.seed + 1000)

    def run(self, calls: int) -> list[str]:
        """Makes so many more calls, each by itself; the targets that they got."""
        metric = self.policy.metric
        assert metric is not None
        for _ in range(calls):
            self.seconds += 1 / self.calls_per_second
            target = self.router.decide(self.named, Unit("request", str(len(self.chosen)))).target
            self.chosen.append(target)
            value = self.draws[target](self._random)
            self.observations.observe_end(self.named, target, failed=value < 0)
            if value < 0:  # it failed after so long
                self.observations.observe_failure(self.named, target, metric, -value)
            else:
                self.observations.observe(self.named, target, metric, value)
        return self.chosen[-calls:]


def takes(median: float, spread: float = 0.3) -> Draw:
    """Seconds of a call, log-normal."""
    return lambda source: median * source.lognormvariate(0.0, spread)


def pleases(probability: float) -> Draw:
    """A reward of 1 so often, else of 0."""
    return lambda source: float(source.random() < probability)
