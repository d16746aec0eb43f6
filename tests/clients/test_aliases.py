"""Aliases, and how their calls are split, through either client."""

from __future__ import annotations

from typing import Any

import pytest

from panope.v1.alias_service_pb2 import AliasTarget, RoutePolicy
from panope_client import InvalidArgumentError


async def test_an_alias_is_pointed_to_one_model_to_weights_or_to_a_bandit(client: Any, fake: Any) -> None:
    one = await client.set_alias("prod", "acme/a@" + "d" * 8)
    assert (one.model, list(one.targets)) == ("acme/a", [])
    assert fake.requests[-1].variant == "d" * 8
    split = await client.set_alias("prod", {"acme/a": 90, "acme/b": 10}, sticky=True, seed=7, expected="")
    assert list(split.targets) == [AliasTarget(model="acme/a", weight=90), AliasTarget(model="acme/b", weight=10)]
    assert split.policy == RoutePolicy(kind=RoutePolicy.KIND_WEIGHTS, sticky=True, seed=7)
    assert fake.requests[-1].HasField("expected")
    learning = await client.set_alias("prod", ["acme/a", "acme/b"], metric="latency", half_life_seconds=60)
    assert learning.policy == RoutePolicy(
        kind=RoutePolicy.KIND_BANDIT, metric=RoutePolicy.METRIC_LATENCY, half_life_seconds=60
    )
    with pytest.raises(InvalidArgumentError):
        await client.set_alias("prod", ["acme/a", "acme/b"], metric="luck")


async def test_a_choice_is_explained_and_rewarded(client: Any, fake: Any) -> None:
    explained = await client.explain_route("prod", user="ada")
    assert (explained.target, explained.reason) == ("acme/a", "for ada")
    await client.report_reward("prod", "acme/a", 0.5)
    assert (fake.requests[-1].target, fake.requests[-1].reward) == ("acme/a", 0.5)
