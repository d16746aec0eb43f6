"""What is not ready is skipped, and said; or waited for, where the policy says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulation import NoSums, route_of

from panope_registry.models.routes import OnUnready, RoutePolicy
from panope_server.runtime.names import ResolvedName
from panope_server.runtime.routing.observations import RouteObservations
from panope_server.runtime.routing.router import Router, Unit

POLICY = RoutePolicy()


class Targets:
    """Those that serve, and those whose load was begun."""

    def __init__(self, *unready: str) -> None:
        self.unready = set(unready)
        self.begun: list[str] = []
        self.backends: dict[str, str] = {}

    def why_not_serving(self, resolved: ResolvedName) -> str:
        return "loading" if resolved.key in self.unready else ""

    def backend_of(self, resolved: ResolvedName) -> str:
        return "" if resolved.key in self.unready else self.backends.get(resolved.key, "cpu")

    def begin_load(self, resolved: ResolvedName) -> None:
        self.begun.append(resolved.key)


def router(targets: Targets) -> Router:
    return Router(RouteObservations(NoSums()), targets)


def unit_of(target: str, policy: RoutePolicy = POLICY) -> Unit:
    """A user whom a router gives this target."""
    named = route_of(["acme/a", "acme/b"], policy, [1, 1])
    units = (Unit("user", str(number)) for number in range(100))
    return next(unit for unit in units if router(Targets()).decide(named, unit).target == target)


def test_a_decision_says_how_it_came_about() -> None:
    named = route_of(["acme/a", "acme/b"], POLICY, [90, 10])
    decision = router(Targets()).decide(named, Unit("user", "ada"))
    assert decision.resolved == ResolvedName(decision.target)
    part = {"acme/a": "90.0%", "acme/b": "10.0%"}[decision.target]
    assert decision.reason == f"weights, version 1: {decision.target} has {part} of the calls, split by user"
    assert not decision.skipped


def test_a_call_whose_target_does_not_serve_gets_another_and_the_target_is_loaded() -> None:
    named, unit, targets = route_of(["acme/a", "acme/b"], POLICY, [1, 1]), unit_of("acme/b"), Targets("acme/b")
    decision = router(targets).decide(named, unit)
    assert (decision.target, decision.skipped) == ("acme/a", [("acme/b", "loading")])
    assert decision.reason.endswith("split by user; 1 skipped that did not serve")
    assert targets.begun == ["acme/b"]


def test_where_none_serves_the_call_waits_for_its_own() -> None:
    named, unit, targets = (
        route_of(["acme/a", "acme/b"], POLICY, [1, 1]),
        unit_of("acme/b"),
        Targets("acme/a", "acme/b"),
    )
    decision = router(targets).decide(named, unit)
    assert (decision.target, decision.skipped, targets.begun) == ("acme/b", (), [])


def test_a_policy_may_have_calls_wait_for_their_own_target() -> None:
    policy = replace(POLICY, on_unready=OnUnready.WAIT)
    named, unit, targets = route_of(["acme/a", "acme/b"], policy, [1, 1]), unit_of("acme/b", policy), Targets("acme/b")
    assert router(targets).decide(named, unit).target == "acme/b"


def test_a_new_version_of_an_alias_learns_from_the_beginning() -> None:
    named = route_of(["acme/a", "acme/b"], POLICY, [9, 1])
    router_of_all = router(Targets())
    assert router_of_all.parts(named) == {"acme/a": 0.9, "acme/b": 0.1}
    later = replace(named, version=2, route=replace(named.route, targets=named.route.targets[::-1]))
    assert router_of_all.parts(later) == pytest.approx({"acme/b": 0.1, "acme/a": 0.9})


def test_a_call_gets_a_target_on_the_hardware_that_it_asks_for() -> None:
    named, unit, targets = route_of(["acme/a", "acme/b"], POLICY, [1, 1]), unit_of("acme/b"), Targets()
    targets.backends = {"acme/a": "openvino", "acme/b": "cpu"}
    assert router(targets).decide(named, unit, ["cpu"]).target == "acme/b"
    decision = router(targets).decide(named, unit, ["torch-cuda", "openvino", "cpu"])
    assert (decision.target, decision.skipped) == ("acme/a", [("acme/b", "not on `openvino`")])
    assert decision.reason.endswith("split by user; on `openvino`, as the call asks")


def test_a_call_that_asks_for_hardware_has_nothing_loaded_there() -> None:
    named, unit, targets = route_of(["acme/a", "acme/b"], POLICY, [1, 1]), unit_of("acme/b"), Targets("acme/a")
    targets.backends = {"acme/a": "openvino"}
    assert router(targets).decide(named, unit, ["openvino"]).target == "acme/b", "which the call is then told of"
    assert router(targets).decide(named, unit, ["openvino", "any"]).target == "acme/b"
    assert targets.begun == []
