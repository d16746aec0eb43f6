"""Pages of other sites: what a browser is told before it calls, and what a page may read of an answer."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pool
from tests.rest_paths import filled

from panope_envoy.rest_routes import rest_routes
from panope_envoy.route_table import ADMIN_PREFIXES
from panope_server.transport.grpc.services import PUBLIC_SERVICES

ORIGIN = "https://app.example.org"
BODY = {"model": "acme/embedder", "input": "abc"}
ADMIN = ("/health", "/ready", "/status", "/metrics", "/openapi.json")
#: What pages are to read: how a call went, when to come back, and where its answer came from.
READ = ("x-request-id", "retry-after", "retry-after-ms", "x-should-retry", "x-cache", "age")
GRPC_READ = ("grpc-status", "grpc-message", "grpc-status-details-bin")


def paths() -> list[tuple[str, str]]:
    """Every route of REST, every method of gRPC but those of keys, every page of the admin port."""
    rest = [(route.verb, filled(route.template)) for route in rest_routes()]
    pool = descriptor_pool.Default()
    services = [pool.FindServiceByName(name) for name in PUBLIC_SERVICES if name.startswith("panope.")]
    methods = [f"/{service.full_name}/{method.name}" for service in services for method in service.methods]
    methods = [path for path in methods if not path.startswith(ADMIN_PREFIXES)]
    return sorted({*rest, *(("POST", path) for path in methods), *(("GET", path) for path in ADMIN)})


def preflight(edge, verb: str, path: str, origin: str = ORIGIN):
    asked = {"access-control-request-method": verb, "access-control-request-headers": "authorization,content-type"}
    return edge.request("OPTIONS", path, headers={"origin": origin, **asked})


@pytest.mark.parametrize(("verb", "path"), paths(), ids=lambda part: part)
def test_a_browser_may_ask_for_every_route_and_hears_what_it_may_do(edge, verb, path):
    told = preflight(edge, verb, path)
    assert (told.status, told.body) == (200, b"")
    assert told.headers["access-control-allow-origin"] == ORIGIN
    assert verb in told.headers["access-control-allow-methods"].split(", ")
    assert told.headers["access-control-allow-headers"] == "*, authorization"
    assert told.headers["access-control-max-age"] == "7200"
    assert "access-control-allow-credentials" not in told.headers
    assert not edge.instances.calls, "a question runs nothing"


@pytest.mark.parametrize("path", ["/v1/embeddings", "/panope.v1.EmbedService/Embed", "/health", "/nowhere"])
def test_another_site_hears_nothing(edge, path):
    told = preflight(edge, "POST", path, "https://evil.example")
    assert "access-control-allow-origin" not in told.headers
    reply = edge.get("/v1/models", {"origin": "https://evil.example"})
    assert (reply.status, "access-control-allow-origin" in reply.headers) == (200, False)


@pytest.mark.parametrize("origin", [f"{ORIGIN}.evil.example", f"{ORIGIN}:8443", "http://app.example.org", "null"])
def test_an_origin_that_looks_alike_is_another(edge, origin):
    assert "access-control-allow-origin" not in preflight(edge, "POST", "/v1/embeddings", origin).headers


def test_a_page_may_read_what_is_told_beside_an_answer_and_shared_caches_know_it(edge):
    answered = edge.post("/v1/embeddings", BODY, {"origin": ORIGIN})
    assert answered.headers["access-control-allow-origin"] == ORIGIN
    assert set(answered.headers["access-control-expose-headers"].split(", ")) >= {*READ, *GRPC_READ}
    assert "origin" in answered.headers["vary"].lower()


@pytest.mark.parametrize("path", ["/v1/models/acme/none", "/nowhere"])
def test_a_page_may_read_errors(edge, path):
    reply = edge.get(path, {"origin": ORIGIN})
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (404, ORIGIN)
    assert reply.error["code"]


def test_a_page_may_read_what_refuses_a_body_before_the_server_sees_it(edge):
    reply = edge.post("/v1/embeddings", b"x" * (2 << 20), {"origin": ORIGIN, "content-type": "application/json"})
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (413, ORIGIN)
