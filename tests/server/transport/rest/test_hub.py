"""The hub's routes through Envoy; what they answer is tried in tests/server/transport/http/test_hub.py."""

from __future__ import annotations

import json

import pytest

MODEL = "acme/embedder"
ORIGIN = {"origin": "https://app.example.org"}


def test_paths_are_looked_up_by_post_through_the_edge(edge):
    reply = edge.post(f"/hub/api/models/{MODEL}/paths-info/main", {"paths": ["onnx", "onnx/model.onnx"]})
    assert (reply.status, [entry["type"] for entry in reply.json]) == (200, ["directory", "file"])


def test_a_revision_with_an_escaped_slash_is_the_same_revision(edge):
    for revision in ("refs%2Fheads%2Fmain", "refs/heads/main", "main"):
        assert edge.get(f"/hub/api/models/{MODEL}/tree/{revision}").status == 200


def test_pages_lead_to_each_other_by_the_name_that_the_caller_knows(edge):
    reply = edge.get(f"/hub/api/models/{MODEL}/tree/main?recursive=true&limit=1", {"host": "localhost:8000"})
    address = f"http://localhost:8000/hub/api/models/{MODEL}/tree/main?recursive=true&limit=1&cursor=1"
    assert reply.headers["link"] == f'<{address}>; rel="next"'


def test_scripts_of_other_origins_read_what_the_hubs_clients_read(edge):
    reply = edge.get(f"/hub/{MODEL}/resolve/main/onnx/model.onnx", {**ORIGIN, "range": "bytes=0-3"})
    exposed = reply.headers["access-control-expose-headers"].split(", ")
    sent = {"accept-ranges", "content-length", "content-range", "etag", "x-linked-etag", "x-linked-size"}
    assert sent | {"x-repo-commit"} <= set(exposed) & set(reply.headers)
    assert {"x-error-code", "x-error-message", "link", "x-total-count", "x-request-id"} <= set(exposed)


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/hub/none", "/hub/api/models/acme/none", "/hub/datasets/a/b/resolve/main/c"])
def test_every_error_there_is_a_string(edge, verb, path):
    reply = edge.request(verb, path, None if verb in ("GET", "DELETE") else {})
    assert reply.status == (404 if verb == "GET" else 405)
    assert isinstance(json.loads(reply.body)["error"], str)
    assert reply.headers["x-error-message"] == reply.json["error"]
