"""What an alias points to, as messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from panope.v1.alias_service_pb2 import AliasTarget, RoutePolicy
from panope_client.arguments import request_of
from panope_client.errors import InvalidArgumentError

Metric: TypeAlias = Literal["latency", "cost", "reward"]
"""What a bandit behind an alias learns from."""

_METRICS: Mapping[str, RoutePolicy.Metric.ValueType] = {
    "latency": RoutePolicy.METRIC_LATENCY,
    "cost": RoutePolicy.METRIC_COST,
    "reward": RoutePolicy.METRIC_REWARD,
}


def route_fields(
    targets: str | Mapping[str, float] | Sequence[str],
    metric: Metric | None,
    *,
    sticky: bool,
    seed: int,
    half_life_seconds: float | None,
) -> dict[str, Any]:
    """The fields of a request that point an alias to a model, to models with their weights, or to those of a bandit.

    Raises:
        InvalidArgumentError: there is no such metric, or a target is no text.
    """
    if isinstance(targets, str):
        model, _, variant = targets.partition("@")
        return {"model": model, "variant": variant}
    if metric is not None and metric not in _METRICS:
        raise InvalidArgumentError(f"`metric` must be one of {', '.join(get_args(Metric))}", field="metric")
    weights = targets if isinstance(targets, Mapping) else dict.fromkeys(targets, 0.0)
    policy = request_of(
        RoutePolicy,
        kind=RoutePolicy.KIND_WEIGHTS if metric is None else RoutePolicy.KIND_BANDIT,
        metric=RoutePolicy.METRIC_UNSPECIFIED if metric is None else _METRICS[metric],
        sticky=sticky,
        seed=seed,
        half_life_seconds=half_life_seconds,
    )
    return {"targets": [_target(name, weight) for name, weight in weights.items()], "policy": policy}


def _target(name: str, weight: float) -> AliasTarget:
    model, _, variant = name.partition("@")
    return request_of(AliasTarget, model=model, variant_digest=variant, weight=weight)
