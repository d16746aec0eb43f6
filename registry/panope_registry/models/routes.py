"""Routes: several targets behind one alias, and the policy by which each call gets one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from panope_backends.errors import InvalidInputError
from panope_registry.names import MAX_INTEGER

MIN_TARGETS, MAX_TARGETS = 2, 16
MAX_WEIGHT = 1e6
DEFAULT_HALF_LIFE_SECONDS = 24 * 3600.0
MIN_HALF_LIFE_SECONDS, MAX_HALF_LIFE_SECONDS = 1.0, 366 * 24 * 3600.0


class PolicyKind(StrEnum):
    """How a target is chosen."""

    WEIGHTS = "weights"
    BANDIT = "bandit"


class Metric(StrEnum):
    """What a bandit learns from: seconds of a call, what its device's time costs, or what callers report."""

    LATENCY = "latency"
    COST = "cost"
    REWARD = "reward"


class OnUnready(StrEnum):
    """What is done with a call whose target does not serve while another one does."""

    SKIP = "skip"
    WAIT = "wait"


@dataclass(frozen=True)
class RouteTarget:
    """One of the targets of a route.

    Attributes:
        model: its name.
        variant_digest: of the model's variant that is meant; empty lets the server choose.
        weight: its part of the calls, in relation to those of the others; 0 for a bandit's.
        price: of a second of its device, in any currency; counts for the metric `cost` alone.
    """

    model: str
    variant_digest: str = ""
    weight: float = 0.0
    price: float = 1.0

    @property
    def text(self) -> str:
        """`vendor/name`, or `vendor/name@digest`."""
        return f"{self.model}@{self.variant_digest}" if self.variant_digest else self.model


@dataclass(frozen=True)
class RoutePolicy:
    """How a route chooses among its targets.

    Attributes:
        metric: None for weights.
        sticky: whether calls of one user go to one target.
        seed: another one splits the calls otherwise; the same one always alike.
        half_life_seconds: after which an observation counts half; 0 for observations that count for ever.
        on_unready: what is done while the chosen target does not serve.
    """

    kind: PolicyKind = PolicyKind.WEIGHTS
    metric: Metric | None = None
    sticky: bool = False
    seed: int = 0
    half_life_seconds: float = DEFAULT_HALF_LIFE_SECONDS
    on_unready: OnUnready = OnUnready.SKIP

    def document(self) -> dict[str, Any]:
        """The policy as a JSON object."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> RoutePolicy:
        """The policy that `document` wrote."""
        metric = document["metric"]
        return cls(
            PolicyKind(document["kind"]),
            None if metric is None else Metric(metric),
            bool(document["sticky"]),
            int(document["seed"]),
            float(document["half_life_seconds"]),
            OnUnready(document["on_unready"]),
        )


@dataclass(frozen=True)
class Route:
    """Several targets, and how one of them is chosen.

    Attributes:
        targets: two or more; where one name must stand for all, the first does.
    """

    targets: tuple[RouteTarget, ...]
    policy: RoutePolicy = RoutePolicy()

    @property
    def text(self) -> str:
        """Targets and weights as `expected` compares them: `acme/a=90,acme/b=10`; without weights those of a bandit."""
        return ",".join(f"{each.text}={each.weight:g}" if each.weight else each.text for each in self.targets)


def check_route(route: Route) -> None:
    """Refuses a route that no call could be split by.

    Raises:
        InvalidInputError: by the field: `targets`, `targets[1].weight`, `policy.metric` and so on.
    """
    _check_targets(route.targets)
    policy = route.policy
    if policy.kind is PolicyKind.BANDIT and policy.metric is None:
        raise InvalidInputError.at("policy.metric", "{field} is missing: a bandit learns from latency, cost or reward")
    if policy.kind is PolicyKind.WEIGHTS and policy.metric is not None:
        raise InvalidInputError.at("policy.metric", "{field} is for bandits; weights learn nothing")
    if not 0 <= policy.seed <= MAX_INTEGER:
        raise InvalidInputError.at("policy.seed", "{field} must be from 0 to 2**63 - 1")
    if policy.half_life_seconds != 0 and not (
        MIN_HALF_LIFE_SECONDS <= policy.half_life_seconds <= MAX_HALF_LIFE_SECONDS
    ):
        raise InvalidInputError.at(
            "policy.half_life_seconds",
            "{field} must be from {least:g} to {limit:,.0f}, or 0 for observations that count for ever",
            least=MIN_HALF_LIFE_SECONDS,
            limit=MAX_HALF_LIFE_SECONDS,
        )
    for index, target in enumerate(route.targets):
        _check_numbers(index, target, policy)


def _check_targets(targets: Sequence[RouteTarget]) -> None:
    if not MIN_TARGETS <= len(targets) <= MAX_TARGETS:
        raise InvalidInputError.at(
            "targets",
            "{field} has {count:,} items; a route has {least} to {most}",
            count=len(targets),
            least=MIN_TARGETS,
            most=MAX_TARGETS,
        )


def check_distinct(targets: Sequence[RouteTarget]) -> None:
    """Refuses a target that is there twice, once digests are whole."""
    seen: set[str] = set()
    for index, target in enumerate(targets):
        if target.text in seen:
            raise InvalidInputError.at(f"targets[{index}]", "{field} is there twice")
        seen.add(target.text)


def _check_numbers(index: int, target: RouteTarget, policy: RoutePolicy) -> None:
    weight, field = target.weight, f"targets[{index}].weight"
    if policy.kind is PolicyKind.BANDIT and weight != 0:
        raise InvalidInputError.at(field, "{field} must not be given: a bandit finds the parts by itself")
    if policy.kind is PolicyKind.WEIGHTS and not (math.isfinite(weight) and 0 < weight <= MAX_WEIGHT):
        raise InvalidInputError.at(field, "{field} must be above 0 and at most {limit:,.0f}", limit=MAX_WEIGHT)
    price, field = target.price, f"targets[{index}].price"
    if not (math.isfinite(price) and 0 < price <= MAX_WEIGHT):
        raise InvalidInputError.at(field, "{field} must be above 0 and at most {limit:,.0f}", limit=MAX_WEIGHT)
    if price != 1 and policy.metric is not Metric.COST:
        raise InvalidInputError.at(field, "{field} counts for the metric `cost` alone")
