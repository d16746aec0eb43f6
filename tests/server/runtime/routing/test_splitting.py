"""Calls are split by their parts, users stay where they are, and the same seed splits alike."""

from __future__ import annotations

from collections import Counter

import pytest

from panope_server.runtime.routing.splitting import split_order

USERS = [f"user:{number}" for number in range(20_000)]
SPLIT = {"acme/a": 90.0, "acme/b": 10.0}


def first_of(parts: dict[str, float], seed: int = 0, alias: str = "prod") -> dict[str, str]:
    return {user: split_order(parts, seed, alias, user)[0] for user in USERS}


@pytest.mark.parametrize("parts", [SPLIT, {"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 2.0, "c": 7.0}, {"a": 1e-3, "b": 1e3}])
def test_each_target_gets_its_part_of_the_users(parts: dict[str, float]) -> None:
    counts = Counter(first_of(parts).values())
    whole = sum(parts.values())
    for target, part in parts.items():
        expected = len(USERS) * part / whole
        # Five standard deviations of a binomial count: one in a million seeds would miss it.
        assert abs(counts[target] - expected) <= 5 * (expected * (1 - part / whole)) ** 0.5 + 1


def test_a_user_gets_the_same_target_each_time_and_another_seed_deals_otherwise() -> None:
    once = first_of(SPLIT)
    assert first_of(SPLIT) == once
    moved = sum(once[user] != target for user, target in first_of(SPLIT, seed=1).items())
    assert moved == pytest.approx(2 * 0.9 * 0.1 * len(USERS), rel=0.1), "as two independent draws would differ"


def test_two_aliases_deal_their_users_independently() -> None:
    here, there = first_of(SPLIT), first_of(SPLIT, alias="next")
    both = sum(here[user] == there[user] == "acme/b" for user in USERS)
    assert both == pytest.approx(0.01 * len(USERS), rel=0.25), "a tenth of a tenth"


def test_when_weights_change_only_those_users_move_whose_target_has_lost() -> None:
    before, after = first_of(SPLIT), first_of({"acme/a": 80.0, "acme/b": 20.0})
    moves = Counter((before[user], after[user]) for user in USERS if before[user] != after[user])
    assert set(moves) == {("acme/a", "acme/b")}
    assert moves.total() == pytest.approx(0.1 * len(USERS), rel=0.1)


def test_when_a_target_goes_only_its_own_users_move_and_to_their_next() -> None:
    parts = {"a": 1.0, "b": 1.0, "c": 1.0}
    for user in USERS[:2000]:
        order = split_order(parts, 0, "prod", user)
        assert split_order({target: 1.0 for target in parts if target != order[0]}, 0, "prod", user) == order[1:]


def test_all_targets_are_in_the_order_and_any_text_is_a_unit() -> None:
    for unit in ("", "ü", "\ud800", "a\0b", "x" * 100_000):
        assert sorted(split_order(SPLIT, 0, "prod", unit)) == sorted(SPLIT)
