"""A bandit in a world with known distributions: it finds the best target, and what that costs is bounded."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from simulation import World, bandit, pleases, takes

from panope_registry.models.routes import Metric
from panope_registry.serving_records.route_statistics import Moments
from panope_server.runtime.routing.bandit import parts_of
from panope_server.runtime.routing.router import Unit

SEEDS = [0, 1, 2]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("metric", [Metric.LATENCY, Metric.COST])
def test_it_finds_what_typically_takes_least(metric: Metric, seed: int) -> None:
    world = World({"acme/a": takes(0.045), "acme/b": takes(0.030), "acme/c": takes(0.060)}, bandit(metric, seed))
    world.run(1000)
    counts = Counter(world.run(1000))
    assert counts["acme/b"] >= 970
    assert world.router.parts(world.named)["acme/b"] > 0.97


@pytest.mark.parametrize("seed", SEEDS)
def test_the_regret_of_rewards_grows_with_the_logarithm_of_the_calls(seed: int) -> None:
    worth = {"acme/a": 0.5, "acme/b": 0.7, "acme/c": 0.4}
    world = World({name: pleases(each) for name, each in worth.items()}, bandit(Metric.REWARD, seed))
    regrets = [sum(0.7 - worth[target] for target in world.run(2000)) for _ in range(4)]
    # Lai and Robbins 1985: what no policy can stay below in the long run; twice it, for the beginning.
    bound = math.log(8000) * sum((0.7 - each) / _divergence(each, 0.7) for each in (0.5, 0.4))
    assert sum(regrets) < 2 * bound
    assert sum(regrets[2:]) < 0.25 * regrets[0], "later it is learned"
    assert 20 * sum(regrets) < 8000 * 0.2, "splitting evenly costs more than twenty times as much"


def test_none_of_targets_that_are_alike_is_given_up() -> None:
    world = World({"acme/a": pleases(0.6), "acme/b": pleases(0.6)}, bandit(Metric.REWARD, 3, half_life_seconds=10))
    counts = Counter(world.run(6000))
    assert min(counts.values()) > 150


def test_what_becomes_better_is_found_again_because_old_observations_fade() -> None:
    world = World({"acme/a": takes(0.03), "acme/b": takes(0.06)}, bandit(Metric.LATENCY, 1, half_life_seconds=10))
    assert Counter(world.run(2000))["acme/a"] > 1800
    world.draws["acme/a"], world.draws["acme/b"] = world.draws["acme/b"], world.draws["acme/a"]
    world.run(6000)  # a minute, six half-lives
    assert Counter(world.run(2000))["acme/b"] > 1800


def test_a_target_that_fails_fast_does_not_win_by_it() -> None:
    def fails(source: random.Random) -> float:
        return -0.001 if source.random() < 0.5 else 0.02

    world = World({"acme/good": takes(0.05), "acme/broken": fails}, bandit(Metric.LATENCY))
    world.run(1000)
    assert Counter(world.run(1000))["acme/good"] > 950


def test_the_same_seed_and_the_same_observations_choose_alike() -> None:
    def chosen(seed: int) -> list[str]:
        return World({"acme/a": takes(0.04), "acme/b": takes(0.03)}, bandit(Metric.LATENCY, seed)).run(500)

    assert chosen(7) == chosen(7)
    assert chosen(7) != chosen(8)


def test_without_observations_every_target_has_the_same_part() -> None:
    nothing = {name: Moments() for name in ("a", "b", "c")}
    for metric in Metric:
        for part in parts_of(metric, nothing, 0, "prod").values():
            assert part == pytest.approx(1 / 3, abs=0.06)


def test_no_part_is_ever_nothing_and_all_parts_are_one() -> None:
    known = {"fast": Moments(), "slow": Moments()}
    for _ in range(10_000):
        known["fast"].observe(math.log(0.001))
        known["slow"].observe(math.log(10.0))
    parts = parts_of(Metric.LATENCY, known, 0, "prod")
    assert sum(parts.values()) == pytest.approx(1)
    assert 0 < parts["slow"] < 0.001


def test_users_of_a_sticky_bandit_stay_unless_the_parts_move_past_them() -> None:
    world = World({"acme/a": pleases(0.5), "acme/b": pleases(0.55)}, bandit(Metric.REWARD, sticky=True))
    world.run(400)
    users = [Unit("user", str(number)) for number in range(2000)]
    parts = world.router.parts(world.named)
    before = [world.router.decide(world.named, user).target for user in users]
    assert [world.router.decide(world.named, user).target for user in users] == before
    world.run(400)
    after = [world.router.decide(world.named, user).target for user in users]
    moved = sum(one != other for one, other in zip(before, after, strict=True)) / len(users)
    drift = abs(world.router.parts(world.named)["acme/b"] - parts["acme/b"])
    assert moved == pytest.approx(drift, abs=0.03), "no more than the parts have moved"


def _divergence(one: float, other: float) -> float:
    """Of Kullback and Leibler, between two coins."""
    return one * math.log(one / other) + (1 - one) * math.log((1 - one) / (1 - other))
