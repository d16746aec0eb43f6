"""Routes of aliases as messages of the public protocol, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from panope.v1 import alias_service_pb2 as pb
from panope_backends.errors import InvalidInputError
from panope_registry.models.alias_types import AliasEntry, AliasEvent
from panope_registry.models.routes import Metric, OnUnready, PolicyKind, Route, RoutePolicy, RouteTarget
from panope_server.runtime.routing.explanation import Explanation, TargetView

_KINDS = {
    pb.RoutePolicy.KIND_UNSPECIFIED: PolicyKind.WEIGHTS,
    pb.RoutePolicy.KIND_WEIGHTS: PolicyKind.WEIGHTS,
    pb.RoutePolicy.KIND_BANDIT: PolicyKind.BANDIT,
}
_METRICS = {
    pb.RoutePolicy.METRIC_UNSPECIFIED: None,
    pb.RoutePolicy.METRIC_LATENCY: Metric.LATENCY,
    pb.RoutePolicy.METRIC_COST: Metric.COST,
    pb.RoutePolicy.METRIC_REWARD: Metric.REWARD,
}
_ON_UNREADY = {
    pb.RoutePolicy.ON_UNREADY_UNSPECIFIED: OnUnready.SKIP,
    pb.RoutePolicy.ON_UNREADY_SKIP: OnUnready.SKIP,
    pb.RoutePolicy.ON_UNREADY_WAIT: OnUnready.WAIT,
}
# Of the words that two numbers mean, the last is told.
_TOLD_KINDS = {kind: number for number, kind in _KINDS.items()}
_TOLD_METRICS = {metric: number for number, metric in _METRICS.items()}
_TOLD_ON_UNREADY = {rule: number for number, rule in _ON_UNREADY.items()}


def route_of(request: pb.SetAliasRequest) -> Route | None:
    """The route that a request asks for; None for one target.

    Raises:
        InvalidInputError: it names a model too, or a policy of nothing.
    """
    if not request.targets:
        if request.HasField("policy"):
            raise InvalidInputError.at("policy", "{field} is for several targets, and there are none")
        return None
    for field in ("model", "variant"):
        if getattr(request, field):
            raise InvalidInputError.at(field, "{field} is for one target; write it among `targets`")
    return Route(tuple(map(_target, request.targets)), _policy(request.policy))


def target_messages(entry: AliasEntry | AliasEvent) -> Sequence[pb.AliasTarget]:
    """The targets of an alias with several."""
    targets = () if entry.route is None else entry.route.targets
    return [
        pb.AliasTarget(model=each.model, variant_digest=each.variant_digest, weight=each.weight, price=each.price)
        for each in targets
    ]


def policy_message(entry: AliasEntry | AliasEvent) -> pb.RoutePolicy | None:
    """How calls are split among several targets; None for one."""
    if entry.route is None:
        return None
    policy = entry.route.policy
    return pb.RoutePolicy(
        kind=_TOLD_KINDS[policy.kind],
        metric=_TOLD_METRICS[policy.metric],
        sticky=policy.sticky,
        seed=policy.seed,
        half_life_seconds=policy.half_life_seconds,
        on_unready=_TOLD_ON_UNREADY[policy.on_unready],
    )


def explanation_message(alias: pb.Alias, explanation: Explanation) -> pb.ExplainRouteResponse:
    """A choice, and everything it comes from."""
    decision = explanation.decision
    return pb.ExplainRouteResponse(
        alias=alias,
        target=decision.resolved.key,
        reason=decision.reason,
        targets=[_view_message(view) for view in explanation.targets],
    )


def _view_message(view: TargetView) -> pb.RouteTarget:
    return pb.RouteTarget(
        target=view.resolved.key,
        weight=view.weight,
        price=view.price,
        share=view.part,
        observed_calls=view.calls,
        failure_ratio=view.failure_ratio,
        latency_seconds=view.latency_seconds,
        cost=view.cost,
        reward=view.reward,
        reported_rewards=view.rewards,
        not_serving_reason=view.state,
    )


def _target(message: pb.AliasTarget) -> RouteTarget:
    return RouteTarget(message.model, message.variant_digest, message.weight, message.price or 1.0)


def _policy(message: pb.RoutePolicy) -> RoutePolicy:
    for name, known in (("kind", _KINDS), ("metric", _METRICS), ("on_unready", _ON_UNREADY)):
        if getattr(message, name) not in known:
            raise InvalidInputError.at(f"policy.{name}", "{field} is a number that means nothing")
    policy = RoutePolicy(
        kind=_KINDS[message.kind],
        metric=_METRICS[message.metric],
        sticky=message.sticky,
        seed=message.seed,
        on_unready=_ON_UNREADY[message.on_unready],
    )
    if not message.HasField("half_life_seconds"):
        return policy
    return replace(policy, half_life_seconds=message.half_life_seconds)
