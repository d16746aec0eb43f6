"""Aliases with several targets, through Envoy."""

from __future__ import annotations

import pytest

TARGETS = [{"model": "acme/embedder", "weight": 90}, {"model": "acme/tensors", "weight": 10}]
BANDIT = {"kind": "bandit", "metric": "latency", "sticky": True, "seed": 7, "half_life_seconds": 60}


def test_an_alias_is_pointed_to_several_targets_and_tells_them(edge):
    put = edge.request("PUT", "/v1/aliases/prod", {"targets": TARGETS, "policy": {"sticky": True}}).json
    assert (put["model"], put["variant_digest"]) == ("acme/embedder", None)
    assert put["targets"][1] == {"model": "acme/tensors", "variant_digest": None, "weight": 10, "price": 1}
    assert put["policy"] == {
        "kind": "weights",
        "metric": None,
        "sticky": True,
        "seed": 0,
        "half_life_seconds": 86400,
        "on_unready": "skip",
    }
    told = edge.get("/v1/aliases/prod").json
    assert (told["targets"], told["policy"]) == (put["targets"], put["policy"])
    assert told["events"][0]["targets"] == put["targets"]
    assert edge.get("/v1/aliases/embed").json["targets"] == []


def test_a_bandit_needs_no_weights_and_says_what_it_learns_from(edge):
    body = {"targets": [{"model": "acme/embedder"}, {"model": "acme/tensors"}], "policy": BANDIT}
    put = edge.request("PUT", "/v1/aliases/prod", body).json
    assert put["policy"] == {**BANDIT, "on_unready": "skip"}
    explained = edge.post("/v1/aliases/explain", {"alias": "prod", "user": "ada"}).json
    assert explained["target"] in ("acme/embedder", "acme/tensors")
    assert explained["reason"].startswith("bandit on latency, version 1: ")
    assert sum(target["share"] for target in explained["targets"]) == pytest.approx(1)


def test_an_explanation_has_all_that_a_choice_comes_from(edge):
    told = edge.post("/v1/aliases/explain", {"alias": "split", "user": "ada"}).json
    assert told == edge.post("/v1/aliases/explain", {"alias": "split", "user": "ada"}).json
    assert (told["alias"], told["version"], told["policy"]["kind"]) == ("split", 1, "weights")
    assert told["targets"][0] == {
        "target": "acme/embedder",
        "weight": 90,
        "price": 1,
        "share": 0.9,
        "observed_calls": 0,
        "failure_ratio": None,
        "latency_seconds": None,
        "cost": None,
        "reward": None,
        "reported_rewards": 0,
        "not_serving_reason": None,
    }


def test_a_reward_is_counted_for_the_target_that_answered(edge):
    assert edge.post("/v1/aliases/reward", {"alias": "split", "target": "acme/tensors", "reward": 0.5}).json == {
        "object": "reward"
    }


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"targets": []}, "model"),
        ({"policy": {}}, "model"),
        ({"model": "acme/embedder", "policy": {}}, "policy"),
        ({"model": "acme/embedder", "targets": TARGETS}, "model"),
        ({"variant": "a" * 64, "targets": TARGETS}, "variant"),
        ({"targets": TARGETS[:1]}, "targets"),
        ({"targets": [{"model": "acme/embedder"}, TARGETS[1]]}, "targets[0].weight"),
        ({"targets": [{**TARGETS[0], "share": 1}, TARGETS[1]]}, "targets[0].share"),
        ({"targets": TARGETS, "policy": {"kind": "best"}}, "policy.kind"),
        ({"targets": TARGETS, "policy": BANDIT}, "targets[0].weight"),
        ({"targets": TARGETS, "policy": {"metric": "cost"}}, "policy.metric"),
        ({"targets": TARGETS, "policy": {"seed": -1}}, "policy.seed"),
        ({"targets": TARGETS, "policy": {"half_life_seconds": 0.1}}, "policy.half_life_seconds"),
    ],
)
def test_what_cannot_be_dealt_by_is_refused_by_its_field(edge, body, param):
    reply = edge.request("PUT", "/v1/aliases/prod", body)
    assert (reply.status, reply.error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("explain", {"alias": "embed"}, 400, "no_route"),
        ("explain", {"alias": "nobody"}, 404, "alias_not_found"),
        ("reward", {"alias": "embed", "target": "acme/embedder", "reward": 1}, 400, "no_route"),
        ("reward", {"alias": "split", "target": "acme/other", "reward": 1}, 400, "invalid_input"),
        ("reward", {"alias": "split", "target": "acme/embedder", "reward": 1.5}, 400, "invalid_input"),
        ("reward", {"alias": "split", "target": "acme/embedder"}, 400, "missing_field"),
    ],
)
def test_what_has_no_route_is_said_to_have_none(edge, path, body, status, code):
    reply = edge.post(f"/v1/aliases/{path}", body)
    assert (reply.status, reply.error["code"]) == (status, code)
