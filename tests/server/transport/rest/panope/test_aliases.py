"""Aliases through Envoy."""

from __future__ import annotations

import pytest


def test_an_alias_is_pointed_moved_and_rolled_back(edge):
    assert (
        edge.request("PUT", "/v1/aliases/prod/embed", {"model": "acme/embedder", "expected": ""}).json["version"] == 1
    )
    moved = edge.request("PUT", "/v1/aliases/prod/embed", {"model": "acme/tensors", "reason": "faster"})
    assert (moved.json["name"], moved.json["model"], moved.json["version"]) == ("prod/embed", "acme/tensors", 2)
    back = edge.post("/v1/aliases/rollback", {"alias": "prod/embed"})
    assert (back.json["model"], back.json["version"]) == ("acme/embedder", 3)

    told = edge.get("/v1/aliases/prod/embed").json
    assert [event["action"] for event in told["events"]] == ["rolled_back", "set", "set"]
    assert [event["reason"] for event in told["events"]] == ["", "faster", ""]
    assert {event["principal"] for event in told["events"]} == {"rest"}


def test_an_alias_may_point_to_one_variant(edge):
    body = {"model": "acme/embedder", "variant": "a" * 64}
    assert edge.request("PUT", "/v1/aliases/exact", body).json["variant_digest"] == "a" * 64
    told = edge.get("/v1/aliases/exact").json
    assert (told["variant_digest"], told["events"][0]["variant_digest"]) == ("a" * 64, "a" * 64)
    assert edge.get("/v1/aliases/embed").json["variant_digest"] is None


def test_aliases_are_listed_by_the_model_that_they_point_to(edge):
    assert [alias["name"] for alias in edge.get("/v1/aliases").json["aliases"]] == ["embed", "split"]
    assert edge.get("/v1/aliases?model=acme/tensors").json["aliases"] == []


def test_an_alias_that_moved_meanwhile_is_left_where_it_is(edge):
    reply = edge.request("PUT", "/v1/aliases/embed", {"model": "acme/tensors", "expected": "acme/other"})
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "alias_moved", "expected")
    assert edge.get("/v1/aliases/embed").json["model"] == "acme/embedder"


def test_an_alias_that_is_gone_keeps_its_history(edge):
    gone = edge.request("DELETE", "/v1/aliases/embed?reason=over").json
    assert gone == {"id": "embed", "object": "alias", "deleted": True}
    told = edge.get("/v1/aliases/embed").json
    assert (told["model"], told["events"][0]["action"], told["events"][0]["reason"]) == (None, "deleted", "over")


def test_a_reason_in_a_query_is_as_short_as_one_in_a_body(edge):
    reply = edge.request("DELETE", f"/v1/aliases/embed?reason={'r' * 1001}")
    assert (reply.status, reply.error["param"]) == (400, "reason")
    assert reply.error["message"] == "`reason` must have at most 1,000 characters"
    assert edge.request("DELETE", f"/v1/aliases/embed?reason={'r' * 1000}").status == 200


@pytest.mark.parametrize("path", ["/v1/aliases/nobody", "/v1/aliases/a/b/c"])
def test_an_alias_that_never_was_is_404(edge, path):
    assert edge.get(path).error["code"] == "alias_not_found"
