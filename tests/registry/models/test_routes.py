"""Aliases with several targets: set, compared, moved back, and what none may be."""

from __future__ import annotations

import pytest
from alias_models import ADA, CONVERTED, DIGEST
from sqlalchemy import update

from panope_backends.errors import InvalidInputError, NotFoundError, PreconditionError
from panope_registry.models.aliases import Aliases
from panope_registry.models.routes import Metric, OnUnready, PolicyKind, Route, RoutePolicy, RouteTarget
from panope_registry.retention.gc import _refuse_aliased
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import model

SPLIT = Route((RouteTarget("v/a", weight=90), RouteTarget("v/b", weight=10)))
BANDIT = RoutePolicy(PolicyKind.BANDIT, Metric.LATENCY)


def test_an_alias_may_have_several_targets_of_which_the_first_stands_for_all(aliases: Aliases) -> None:
    entry = aliases.set_route("prod", SPLIT, expected="", **ADA)
    assert (entry.target_model, entry.variant_digest, entry.version) == ("v/a", "", 1)
    assert entry.route == SPLIT
    assert (entry.target, entry.target_models) == ("v/a=90,v/b=10", ("v/a", "v/b"))
    assert aliases.get("prod") == entry
    assert aliases.list() == aliases.list(target_model="v/b") == [entry]
    assert aliases.list(target_model="v/c") == []


def test_every_field_of_a_route_comes_back(aliases: Aliases) -> None:
    policy = RoutePolicy(PolicyKind.BANDIT, Metric.COST, True, 7, 600.0, OnUnready.WAIT)
    targets = (RouteTarget("v/a", DIGEST[:8], price=0.5), RouteTarget("v/a", CONVERTED, price=2), RouteTarget("v/b"))
    entry = aliases.set_route("prod", Route(targets, policy), expected=None, **ADA)
    assert entry.route is not None
    assert entry.route.policy == policy
    assert entry.route.targets == (RouteTarget("v/a", DIGEST, price=0.5), *targets[1:])
    assert entry.target == f"v/a@{DIGEST},v/a@{CONVERTED},v/b"
    assert aliases.history("prod")[0].route == entry.route


def test_a_route_that_is_set_again_keeps_its_version_and_another_weight_makes_a_new_one(aliases: Aliases) -> None:
    assert aliases.set_route("prod", SPLIT, expected="", **ADA).version == 1
    assert aliases.set_route("prod", SPLIT, expected="v/a=90,v/b=10", **ADA).version == 1
    even = Route((RouteTarget("v/a", weight=1), RouteTarget("v/b", weight=1)))
    assert aliases.set_route("prod", even, expected="v/a=90,v/b=10", **ADA).version == 2
    with pytest.raises(PreconditionError, match="points to `v/a=1,v/b=1`, not as expected"):
        aliases.set("prod", "v/a", expected="v/a=90,v/b=10", **ADA)
    assert aliases.set("prod", "v/a", expected="v/a=1,v/b=1", **ADA).route is None


def test_a_rollback_brings_a_route_back_and_leaves_one(aliases: Aliases) -> None:
    aliases.set("prod", "v/c", expected="", **ADA)
    aliases.set_route("prod", SPLIT, expected="v/c", **ADA)
    aliases.set("prod", "v/b", expected=None, **ADA)
    back = aliases.rollback("prod", "ada", "")
    assert (back.route, back.version) == (SPLIT, 4)
    assert aliases.rollback("prod", "ada", "").target == "v/c"
    assert [event.target for event in aliases.history("prod")] == [
        "v/c",
        "v/a=90,v/b=10",
        "v/b",
        "v/a=90,v/b=10",
        "v/c",
    ]


def test_a_model_that_is_any_of_the_targets_is_not_deleted(aliases: Aliases, database: Database) -> None:
    aliases.set_route("prod", SPLIT, expected="", **ADA)
    with database.read() as connection, pytest.raises(PreconditionError, match="what aliases point to: `prod`"):
        _refuse_aliased(connection, "v/b")
    aliases.set("prod", "v/a", expected=None, **ADA)
    with database.read() as connection:
        _refuse_aliased(connection, "v/b")


@pytest.mark.parametrize(
    ("route", "field", "words"),
    [
        (Route((RouteTarget("v/a", weight=1),)), "targets", "has 1 items; a route has 2 to 16"),
        (Route(SPLIT.targets * 9), "targets", "has 18 items"),
        (Route((*SPLIT.targets, SPLIT.targets[0])), "targets[2]", "is there twice"),
        (Route((RouteTarget("v/a", weight=1), RouteTarget("v/b"))), "targets[1].weight", "above 0 and at most"),
        (Route((RouteTarget("v/a", weight=float("nan")), SPLIT.targets[1])), "targets[0].weight", "above 0"),
        (Route((RouteTarget("v/a", weight=1, price=2), SPLIT.targets[1])), "targets[0].price", "`cost` alone"),
        (Route(SPLIT.targets, BANDIT), "targets[0].weight", "a bandit finds the parts by itself"),
        (Route(SPLIT.targets, RoutePolicy(PolicyKind.BANDIT)), "policy.metric", "is missing"),
        (Route(SPLIT.targets, RoutePolicy(metric=Metric.COST)), "policy.metric", "is for bandits"),
        (Route(SPLIT.targets, RoutePolicy(seed=-1)), "policy.seed", "must be from 0"),
        (Route(SPLIT.targets, RoutePolicy(half_life_seconds=0.5)), "policy.half_life_seconds", "must be from 1"),
        (Route(SPLIT.targets, RoutePolicy(half_life_seconds=float("nan"))), "policy.half_life_seconds", "must be"),
    ],
)
def test_what_no_call_could_be_dealt_by_is_refused_by_its_field(
    aliases: Aliases,
    route: Route,
    field: str,
    words: str,
) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        aliases.set_route("prod", route, expected=None, **ADA)
    assert refused.value.field == field
    assert aliases.list() == []


def test_a_target_that_does_not_exist_is_said_by_its_place(aliases: Aliases) -> None:
    with pytest.raises(NotFoundError) as missing:
        aliases.set_route("prod", Route((SPLIT.targets[0], RouteTarget("v/x", weight=1))), expected=None, **ADA)
    assert (missing.value.field, missing.value.reason) == ("targets[1].model", "model_not_found")
    with pytest.raises(NotFoundError) as variant:
        aliases.set_route("prod", Route((RouteTarget("v/a", "e" * 8, 1), SPLIT.targets[1])), expected=None, **ADA)
    assert (variant.value.field, variant.value.reason) == ("targets[0].variant", "variant_not_found")


def test_models_of_two_tasks_are_no_targets_of_one_alias(aliases: Aliases, database: Database) -> None:
    with database.change() as connection:
        connection.execute(update(model).where(model.c.name == "v/b").values(task="embed"))
    with pytest.raises(InvalidInputError, match="calls of an alias are of one task") as refused:
        aliases.set_route("prod", SPLIT, expected=None, **ADA)
    assert (refused.value.field, refused.value.reason) == ("targets[1].model", "task_mismatch")
