"""HTTP as the world speaks it: old clients, odd paths, ids, caches, compression, other formats of metrics."""

from __future__ import annotations

import gzip
import socket

import grpc
import pytest

from panope.v1 import embed_service_pb2 as pb
from panope.v1 import embed_service_pb2_grpc
from panope_envoy.options import ADMIN_PATHS

EMBEDDER = "acme/embedder"
BODY = {"model": EMBEDDER, "input": "abc"}


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/models", "/nowhere"])
@pytest.mark.parametrize("host", [b"", b"host: localhost\r\n"])
@pytest.mark.parametrize("verb", [b"GET", b"HEAD"])
def test_http_1_0_is_served(edge, path, host, verb):
    answer = edge.raw(verb + b" " + path.encode() + b" HTTP/1.0\r\n" + host + b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == (b"404" if path == "/nowhere" else b"200"), answer
    assert b"transfer-encoding" not in head
    assert bool(body) == (verb == b"GET")


@pytest.mark.parametrize("path", [*ADMIN_PATHS, "/v1/models", f"/v1/models/{EMBEDDER}", "/v1/hardware", "/v1/aliases"])
def test_a_slash_at_the_end_changes_nothing(edge, path):
    for port in (edge.http_port, *([edge.admin_port] if path in ADMIN_PATHS else [])):
        plain, slashed = (edge.request("GET", given, port=port) for given in (path, f"{path}/"))
        assert (plain.status, slashed.status) == (200, 200)
        assert plain.headers["content-type"] == slashed.headers["content-type"]
        assert "location" not in slashed.headers


def test_no_answer_of_the_admin_port_leads_to_another_host(edge):
    for path in ("/nowhere/", "/hub/acme/none/", "//evil.example/", "/status//"):
        reply = edge.request("GET", path, port=edge.admin_port)
        assert "location" not in reply.headers
        assert reply.status in {200, 404}


def test_two_host_headers_are_refused(edge):
    for port in (edge.http_port, edge.admin_port):
        for hosts in (b"host: localhost\r\nhost: localhost\r\n", b"host: localhost\r\nhost: evil.example\r\n"):
            answer = edge.raw(b"GET /health HTTP/1.1\r\n" + hosts + b"connection: close\r\n\r\n", port)
            assert answer.split(b" ")[1] in {b"400", b"403"}, answer


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"GET /v1/models/a%00b HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    ],
)
def test_every_answer_has_one_request_id_envoys_own_too(edge, sent):
    assert edge.raw(sent).lower().count(b"\r\nx-request-id: ") == 1


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/metrics", "/v1/files/none"])
def test_the_admin_port_gives_ids_and_keeps_sane_ones(edge, path):
    assert len(edge.request("GET", path, port=edge.admin_port).headers["x-request-id"]) == 32
    kept = edge.request("GET", path, headers={"x-request-id": "id-7"}, port=edge.admin_port)
    assert kept.headers["x-request-id"] == "id-7"


@pytest.mark.parametrize("port", ["grpc_port", "http_port"])
@pytest.mark.parametrize("model", [EMBEDDER, "acme/none"])
@pytest.mark.parametrize("given", ["id-8", "", "sp ace"])
def test_native_grpc_answers_have_the_id_that_the_log_has(edge, port, model, given):
    metadata = [("x-request-id", given)] if given else []
    with grpc.insecure_channel(f"127.0.0.1:{getattr(edge, port)}") as channel:
        call = embed_service_pb2_grpc.EmbedServiceStub(channel).Embed
        try:
            _, done = call.with_call(pb.EmbedRequest(model=model, texts=["a"]), metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            done = error
        told = dict((*done.initial_metadata(), *done.trailing_metadata()))
    assert (told["x-request-id"] == given) == (given == "id-8")
    assert len(told["x-request-id"]) >= 4
    if model == EMBEDDER:
        assert edge.instances.calls[-1].request_id == told["x-request-id"]


def test_rest_answers_say_nothing_of_grpc(edge):
    for reply in (
        edge.post("/v1/embeddings", BODY),
        edge.get("/v1/models"),
        edge.get("/v1/models/acme/none"),
        edge.post("/v1/embeddings", {}),
        edge.get("/nowhere"),
        edge.get("/health"),
    ):
        assert [name for name in reply.headers if name.startswith("grpc")] == []


def test_answers_differ_by_origin_for_caches(edge):
    for path in ("/v1/models", "/health", "/nowhere", "/v1/models/acme/none"):
        assert "Origin" in edge.get(path).headers["vary"], path


MANY = {"model": EMBEDDER, "input": ["some text"] * 64}


def test_answers_are_compressed_for_those_who_ask(edge):
    asked = {"accept-encoding": "gzip"}
    plain, packed = (edge.post("/v1/embeddings", MANY, headers) for headers in (None, asked))
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in plain.headers
    assert "accept-encoding" in packed.headers["vary"].lower()
    short = edge.get("/health", asked)
    assert "content-encoding" not in short.headers


def test_errors_and_heads_are_not_compressed(edge):
    asked = {"accept-encoding": "gzip"}
    refused = edge.post("/v1/embeddings", {"model": EMBEDDER, "input": "a", "user": "u" * 10_000}, asked)
    assert (refused.status, refused.error["param"]) == (400, "user")
    with socket.create_connection(("127.0.0.1", edge.http_port), timeout=10) as connection:
        for path in (b"/v1/models", b"/metrics", b"/v1/models/acme/none"):
            connection.sendall(b"HEAD " + path + b" HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip\r\n\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 ")
            assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-unknown"])
def test_compressed_requests_are_415(edge, encoding):
    reply = edge.post("/v1/embeddings", gzip.compress(b"{}"), {"content-encoding": encoding})
    assert (reply.status, reply.error["code"]) == (415, "unsupported_content_encoding")
    assert edge.post("/v1/embeddings", BODY, {"content-encoding": "identity"}).status == 200


def test_metrics_come_as_they_are_asked_for(edge):
    for port in (edge.http_port, edge.admin_port):
        plain = edge.request("GET", "/metrics", port=port)
        assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
        packed = edge.request("GET", "/metrics", headers={"accept-encoding": "gzip"}, port=port)
        assert gzip.decompress(packed.body) == plain.body
        asked = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        newer = edge.request("GET", "/metrics", headers=asked, port=port)
        assert newer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert newer.body.endswith(b"# EOF\n")


@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", "*", '"other", W/{etag}', ' W/"other" , {etag} '])
def test_what_a_caller_has_is_not_sent_again(edge, known):
    path = f"/v1/files/{edge.files.sha256}"
    etag = edge.request("HEAD", path).headers["etag"]
    reply = edge.get(path, {"if-none-match": known.format(etag=etag)})
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", etag)
    assert edge.request("HEAD", path, headers={"if-none-match": '"other"'}).status == 200


@pytest.mark.parametrize(("path", "kind"), [(f"/v1/models/{EMBEDDER}", "model"), ("/v1/aliases/embed", "alias")])
def test_what_is_deleted_is_told_alike(edge, path, kind):
    told = edge.request("DELETE", path).json
    name = path.removeprefix("/v1/models/").removeprefix("/v1/aliases/")
    assert (told["id"], told["object"], told["deleted"]) == (name, kind, True)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/jobs"])
@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", ""])
def test_a_list_of_nothing_is_refused_everywhere(edge, path, limit):
    reply = edge.get(f"{path}?limit={limit}")
    assert (reply.status, reply.error["param"]) == (400, "limit")
