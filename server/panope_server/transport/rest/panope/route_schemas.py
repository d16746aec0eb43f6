"""Routes of aliases in JSON."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import UNSET, Meta, Struct, UnsetType

from panope_registry.models.alias_types import AliasEntry, AliasEvent
from panope_registry.models.routes import (
    DEFAULT_HALF_LIFE_SECONDS,
    Metric,
    OnUnready,
    PolicyKind,
    Route,
    RoutePolicy,
    RouteTarget,
)
from panope_server.runtime.routing.explanation import Explanation, TargetView

_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_WordOrNone = Annotated[str, Meta(max_length=200)]
_User = Annotated[str, Meta(max_length=256)]


class TargetBody(Struct, forbid_unknown_fields=True):
    """One of several targets; its fields mean what they mean in AliasTarget."""

    model: _Word
    variant: _WordOrNone = ""
    weight: float = 0.0
    price: float = 1.0


class PolicyBody(Struct, forbid_unknown_fields=True):
    """How calls are split; its fields mean what they mean in RoutePolicy."""

    kind: Literal["weights", "bandit"] = "weights"
    metric: Literal["latency", "cost", "reward"] | None = None
    sticky: bool = False
    seed: int = 0
    half_life_seconds: float = DEFAULT_HALF_LIFE_SECONDS
    on_unready: Literal["skip", "wait"] = "skip"


class ExplainBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/aliases/explain."""

    alias: _Word
    user: _User = ""
    request_id: _User = ""


class RewardBody(Struct, forbid_unknown_fields=True):
    """The body of POST /v1/aliases/reward."""

    alias: _Word
    target: _Word
    reward: Annotated[float, Meta(ge=0, le=1)]


class TargetJson(TypedDict):
    """One of several targets; `weight` is 0 for one of a bandit."""

    model: str
    variant_digest: str | None
    weight: float
    price: float


class PolicyJson(TypedDict):
    """How calls are split; `metric` is null for weights."""

    kind: str
    metric: str | None
    sticky: bool
    seed: int
    half_life_seconds: float
    on_unready: str


class RouteTargetJson(TypedDict):
    """What is known of a target, as RouteTarget; what nobody has observed is null."""

    target: str
    weight: float
    price: float
    share: float
    observed_calls: int
    failure_ratio: float | None
    latency_seconds: float | None
    cost: float | None
    reward: float | None
    reported_rewards: int
    not_serving_reason: str | None


class ExplanationJson(TypedDict):
    """The target that a user or a request gets, and everything the choice comes from."""

    alias: str
    version: int
    policy: PolicyJson
    target: str
    reason: str
    targets: list[RouteTargetJson]


class RewardJson(TypedDict):
    """A reward was counted."""

    object: Literal["reward"]


def route_of_body(targets: list[TargetBody], policy: PolicyBody | UnsetType) -> Route:
    """The route that a body asks for."""
    given = PolicyBody() if policy is UNSET else policy
    return Route(
        tuple(RouteTarget(each.model, each.variant, each.weight, each.price) for each in targets),
        RoutePolicy(
            kind=PolicyKind(given.kind),
            metric=None if given.metric is None else Metric(given.metric),
            sticky=given.sticky,
            seed=given.seed,
            half_life_seconds=given.half_life_seconds,
            on_unready=OnUnready(given.on_unready),
        ),
    )


def targets_json(entry: AliasEntry | AliasEvent) -> list[TargetJson]:
    """The targets of an alias with several; none for one."""
    targets = () if entry.route is None else entry.route.targets
    return [
        {
            "model": each.model,
            "variant_digest": each.variant_digest or None,
            "weight": each.weight,
            "price": each.price,
        }
        for each in targets
    ]


def policy_json(entry: AliasEntry | AliasEvent) -> PolicyJson | None:
    """How calls are split among several targets; null for one."""
    return None if entry.route is None else _policy_json(entry.route.policy)


def explanation_json(explanation: Explanation) -> ExplanationJson:
    """A choice."""
    named, decision = explanation.named, explanation.decision
    return {
        "alias": named.alias,
        "version": named.version,
        "policy": _policy_json(named.route.policy),
        "target": decision.resolved.key,
        "reason": decision.reason,
        "targets": [_view_json(view) for view in explanation.targets],
    }


def _policy_json(policy: RoutePolicy) -> PolicyJson:
    return {
        "kind": policy.kind,
        "metric": policy.metric,
        "sticky": policy.sticky,
        "seed": policy.seed,
        "half_life_seconds": policy.half_life_seconds,
        "on_unready": policy.on_unready,
    }


def _view_json(view: TargetView) -> RouteTargetJson:
    return {
        "target": view.resolved.key,
        "weight": view.weight,
        "price": view.price,
        "share": view.part,
        "observed_calls": view.calls,
        "failure_ratio": view.failure_ratio,
        "latency_seconds": view.latency_seconds,
        "cost": view.cost,
        "reward": view.reward,
        "reported_rewards": view.rewards,
        "not_serving_reason": view.state or None,
    }
