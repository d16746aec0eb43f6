"""A call of an alias with several targets goes to one of them, tells which, and is learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from panope_backends.errors import InternalError, InvalidInputError, PreconditionError
from panope_registry.models.routes import Metric, PolicyKind, Route, RoutePolicy, RouteTarget
from panope_registry.serving_records.route_statistics import FAILURE
from panope_server.access.principal import ANONYMOUS, Principal, set_principal
from panope_server.observability.metrics import Metrics
from panope_server.pipeline.call import Call
from panope_server.pipeline.route import RouteStep
from panope_server.runtime.models.directory import ResolvedModel
from panope_server.runtime.names import NamedRoute
from panope_server.runtime.routing.observations import RouteObservations
from panope_server.runtime.routing.router import Router

A, B = "acme/a", "acme/b"
DIGEST = "0123456789ab" + "d" * 52
SPLIT = Route((RouteTarget(A, weight=90), RouteTarget(B, DIGEST, weight=10)))


class Statistics:
    """A registry that knows nothing."""

    def add(self, *_: Any) -> None:
        """Takes nothing."""

    def of(self, _: Any) -> dict[Any, Any]:
        return {}


class Entries:
    """Knows both models."""

    def __init__(self, resolved: Callable[..., ResolvedModel]) -> None:
        self._resolved = resolved
        self.tasks: dict[str, str] = {}

    async def entry(self, model: str) -> Any:
        return self._resolved(model, self.tasks.get(model, "embed")).entry


@pytest.fixture
def observations() -> RouteObservations:
    return RouteObservations(Statistics())


@pytest.fixture
def entries(resolved: Callable[..., ResolvedModel]) -> Entries:
    return Entries(resolved)


@pytest.fixture
def step(entries: Entries, observations: RouteObservations) -> RouteStep:
    return RouteStep(Router(observations), observations, entries, Metrics())


@pytest.fixture
def routed(call: Callable[..., Call], resolved: Callable[..., ResolvedModel]) -> Callable[..., Call]:
    """Makes a call of the alias `prod`, resolved to its first target."""

    def make(request_id: str = "r1", user: str = "", route: Route | None = SPLIT) -> Call:
        made = call(model="prod")
        made.request_id, made.user = request_id, user
        first = resolved(A)
        made.resolved = replace(first, route=None if route is None else NamedRoute("prod", 3, route))
        made.resolved_model = first.key
        return made

    return make


async def answered(step: RouteStep, call: Call, *, seconds: float = 0.0, device_microseconds: int = 0) -> Call:
    async def answer(made: Call) -> None:
        made.placement.device_microseconds = device_microseconds

    await step(call, answer)
    return call


async def test_a_call_gets_a_target_by_its_weight_and_is_told_which(step: RouteStep, routed: Any) -> None:
    calls = [await answered(step, routed(str(number))) for number in range(2000)]
    of_b = [call for call in calls if call.resolved_model == f"{B}@{DIGEST[:12]}"]
    assert len(of_b) == pytest.approx(200, abs=60)
    told = of_b[0].headers
    assert told["x-panope-target"] == f"{B}@{DIGEST[:12]}"
    assert told["x-panope-route"] == (f"weights, version 3: {B}@{DIGEST[:12]} has 10.0% of the calls, split by request")
    assert of_b[0].route == told["x-panope-route"]
    assert of_b[0].resolved.name.variant == DIGEST
    assert of_b[0].model_name == B


async def test_what_has_one_target_passes_as_it_was(step: RouteStep, routed: Any) -> None:
    call = await answered(step, routed(route=None))
    assert (call.resolved_model, call.route, call.headers) == (A, "", {})


async def test_calls_of_one_user_or_one_key_go_to_one_target(step: RouteStep, routed: Any) -> None:
    sticky = replace(SPLIT, policy=RoutePolicy(sticky=True))

    async def targets(user: str) -> set[str]:
        calls = [await answered(step, routed(f"{user}{number}", user, sticky)) for number in range(50)]
        return {call.resolved_model for call in calls}

    of_users = [await targets(f"user {number}") for number in range(40)]
    assert all(len(each) == 1 for each in of_users)
    assert len(set.union(*of_users)) == 2, "and not all users to the same"
    set_principal(Principal("team", "K" * 12))
    try:
        assert len(await targets("")) == 1
    finally:
        set_principal(ANONYMOUS)
    assert len(await targets("")) == 2, "nobody knows whose these are"


async def test_what_a_call_took_is_learned_of_the_target_that_answered(
    step: RouteStep, routed: Any, observations: RouteObservations
) -> None:
    bandit = Route((RouteTarget(A), RouteTarget(B, price=3.0)), RoutePolicy(PolicyKind.BANDIT, Metric.COST))
    calls = [await answered(step, routed(str(n), route=bandit), device_microseconds=1000) for n in range(40)]
    named = calls[0].resolved.route
    known = {metric: observations.of(named, metric) for metric in (Metric.LATENCY, Metric.COST, FAILURE)}
    for metric, of_targets in known.items():
        assert sum(each.calls for each in of_targets.values()) == 40, metric
    assert known[Metric.COST][B].mean - known[Metric.COST][A].mean == pytest.approx(1.0986, rel=1e-3)  # ln 3


async def test_a_failure_of_the_target_is_learned_and_one_of_the_caller_is_not(
    step: RouteStep, routed: Any, observations: RouteObservations
) -> None:
    async def fail(error: Exception) -> Call:
        async def forward(_: Call) -> None:
            raise error

        call = routed()
        with pytest.raises(type(error)):
            await step(call, forward)
        return call

    call = await fail(InvalidInputError("the text is too long", field="texts[0]"))
    named = call.resolved.route
    assert sum(each.calls for each in observations.of(named, FAILURE).values()) == 0
    await fail(InternalError("the model answered nothing"))
    await fail(RuntimeError("a defect"))
    known = observations.of(named, FAILURE)
    assert sum(each.calls for each in known.values()) == sum(each.total for each in known.values()) == 2


async def test_a_target_that_got_another_task_is_said_to_have_it(
    step: RouteStep, routed: Any, entries: Entries
) -> None:
    entries.tasks = {A: "classify", B: "classify"}
    with pytest.raises(PreconditionError, match="has the task `classify` by now, and `acme/a` has `embed`"):
        await answered(step, routed())


async def test_a_kept_answer_says_nothing_of_what_a_target_takes(
    step: RouteStep, routed: Any, observations: RouteObservations
) -> None:
    async def hit(call: Call) -> None:
        call.cache_status = "hit"

    call = routed()
    await step(call, hit)
    assert sum(each.calls for each in observations.of(call.resolved.route, Metric.LATENCY).values()) == 0
