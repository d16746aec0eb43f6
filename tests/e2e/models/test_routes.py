"""Calls of one alias split among two real variants of the MiniLM: by weights, by user, and by a bandit that learns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from panope.v1 import alias_service_pb2 as alias_pb
from panope.v1 import alias_service_pb2_grpc as alias_grpc
from panope.v1 import embed_service_pb2 as pb
from panope.v1 import registry_service_pb2 as registry_pb

ALIAS = "prod/split"


@pytest.fixture
def made(live_server: Any, stubs: Callable[[str], Any]) -> Any:
    return stubs(live_server.grpc_address)


@pytest.fixture
def aliases(made: Any, live_server: Any) -> Iterator[Any]:
    """The service of aliases; the one of these tests is gone at the end, and so is what it alone had loaded."""

    def instances() -> int:
        return len(made.registry.GetModel(registry_pb.GetModelRequest(model=live_server.model)).model.instances)

    before = instances()
    stub = alias_grpc.AliasServiceStub(made.channel)
    yield stub
    stub.DeleteAlias(alias_pb.DeleteAliasRequest(alias=ALIAS))
    live_server.wait(lambda: instances() == before, 20, "the end of the variant that no alias points to")


@pytest.fixture
def targets(made: Any, live_server: Any) -> list[alias_pb.AliasTarget]:
    """The model as Panope runs it, and its original as PyTorch does."""
    variants = made.registry.GetModel(registry_pb.GetModelRequest(model=live_server.model)).model.variants
    original = next(variant for variant in variants if variant.format == "safetensors")
    return [
        alias_pb.AliasTarget(model=live_server.model),
        alias_pb.AliasTarget(model=live_server.model, variant_digest=original.digest),
    ]


def embed(made: Any, number: int, user: str = "") -> tuple[str, str]:
    """The target that answers a new text, and why."""
    metadata = (("x-request-id", f"split-{number}"), *((("x-panope-user", user),) if user else ()))
    request = pb.EmbedRequest(model=ALIAS, texts=[f"the river bank was quiet that morning {number}"])
    answer, call = made.embed.Embed.with_call(request, metadata=metadata, timeout=60)
    told = dict(call.initial_metadata())
    assert answer.model == told["x-panope-target"]
    return told["x-panope-target"], told["x-panope-route"]


def wait_until_both_serve(live_server: Any, aliases: Any) -> None:
    def serve() -> bool:
        told = aliases.ExplainRoute(alias_pb.ExplainRouteRequest(alias=ALIAS, user="ada"))
        return not any(target.not_serving_reason for target in told.targets)

    live_server.wait(serve, 60, "both targets")


def test_calls_are_dealt_among_two_variants_and_each_says_why(
    made: Any, aliases: Any, targets: list[alias_pb.AliasTarget], live_server: Any
) -> None:
    for target, weight in zip(targets, (3, 1), strict=True):
        target.weight = weight
    set_request = alias_pb.SetAliasRequest(alias=ALIAS, targets=targets, policy=alias_pb.RoutePolicy(sticky=True))
    aliases.SetAlias(set_request)
    # The second variant does not serve yet: its calls get the first, are told so, and have it loaded.
    skipped = {embed(made, number)[1] for number in range(40)}
    assert any(reason.endswith("1 skipped that did not serve") for reason in skipped)
    wait_until_both_serve(live_server, aliases)

    counts = Counter(embed(made, number)[0] for number in range(100, 300))
    other = f"{live_server.model}@{targets[1].variant_digest[:12]}"
    assert counts[other] == pytest.approx(50, abs=30)
    assert counts[live_server.model] + counts[other] == 200

    for user in ("ada", "grace"):
        of_user = {embed(made, number, user)[0] for number in range(300, 320)}
        told = aliases.ExplainRoute(alias_pb.ExplainRouteRequest(alias=ALIAS, user=user))
        assert of_user == {told.target}
        assert told.reason.startswith("weights, version ")

    def observed() -> int:
        told = aliases.ExplainRoute(alias_pb.ExplainRouteRequest(alias=ALIAS))
        return sum(target.observed_calls for target in told.targets)

    assert observed() == 280
    told = aliases.ExplainRoute(alias_pb.ExplainRouteRequest(alias=ALIAS))
    assert [target.share for target in told.targets] == [0.75, 0.25]
    assert all(0 < target.latency_seconds < 60 and target.failure_ratio == 0 for target in told.targets)


def test_a_bandit_learns_from_rewards_which_variant_to_prefer(
    made: Any, aliases: Any, targets: list[alias_pb.AliasTarget], live_server: Any
) -> None:
    policy = alias_pb.RoutePolicy(kind=alias_pb.RoutePolicy.KIND_BANDIT, metric=alias_pb.RoutePolicy.METRIC_REWARD)
    version = aliases.SetAlias(alias_pb.SetAliasRequest(alias=ALIAS, targets=targets, policy=policy)).alias.version

    def follows() -> bool:
        return aliases.ExplainRoute(alias_pb.ExplainRouteRequest(alias=ALIAS)).alias.version == version

    live_server.wait(follows, 20, "the server to follow the change")
    other = f"{live_server.model}@{targets[1].variant_digest[:12]}"
    for number in range(60):
        target = (live_server.model, other)[number % 2]
        reward = 1.0 if target == other else 0.0
        aliases.ReportReward(alias_pb.ReportRewardRequest(alias=ALIAS, target=target, reward=reward))
    told = aliases.ExplainRoute(alias_pb.ExplainRouteRequest(alias=ALIAS))
    assert {target.target: target.reward for target in told.targets} == {live_server.model: 0.0, other: 1.0}
    assert {target.target: target.share > 0.5 for target in told.targets} == {live_server.model: False, other: True}
    with pytest.raises(grpc.RpcError) as refused:
        aliases.ReportReward(alias_pb.ReportRewardRequest(alias=ALIAS, target="acme/none", reward=1))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    reply = live_server.request("POST", "/v1/aliases/reward", {"alias": ALIAS, "target": other, "reward": 1})
    assert (reply.status, reply.json) == (200, {"object": "reward"})
