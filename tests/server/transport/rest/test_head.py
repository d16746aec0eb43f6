"""HEAD is answered wherever GET is, never with a body: asked over raw sockets, for a library would hide a body."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from rest_doubles.edge import Edge
from tests.rest_paths import filled

from panope_envoy.options import ADMIN_PATHS
from panope_envoy.rest_routes import rest_routes

SHA = "{sha}"

#: Every path that is read, those of files, and neighbours that are refused for each of the reasons there are.
PATHS = sorted(
    {
        *(filled(route.template) for route in rest_routes()),
        *ADMIN_PATHS,
        f"/v1/files/{SHA}",
        "/v1/files/unknown",
        "/v1/model/acme/embedder/files/onnx/model.onnx",
        "/v1/model/acme/embedder/files/none",
        "/v1/model/embedder/files/onnx/model.onnx",
        "/v1/model/embedder/files/none",
        "/hub/api/models",
        "/hub/api/models?limit=0",
        "/hub/api/models/acme/embedder",
        "/hub/api/models/acme/embedder/refs",
        "/hub/api/models/acme/embedder/commits/main",
        "/hub/api/models/acme/embedder/paths-info/main",
        "/hub/api/datasets/acme/embedder",
        "/hub/acme/embedder/raw/main/onnx/model.onnx",
        "/hub/api/models/acme/embedder/revision/main",
        "/hub/api/models/acme/embedder/tree/main",
        "/hub/acme/embedder/resolve/main/onnx/model.onnx",
        "/hub/acme/embedder/resolve/main/adapter_config.json",
        "/hub/acme/none/resolve/main/config.json",
        "/hub/",
        "/v1/models/acme/none",
        "/v1/models/acme/embedder?unknown=1",
        "/nowhere",
        "/",
    }
)

#: Headers that differ from answer to answer, or tell how a body is sent that is not there.
OWN = {b"date", b"x-request-id", b"transfer-encoding"}


Head = tuple[bytes, dict[bytes, bytes]]


def head_of(answer: bytes) -> Head:
    """The status and headers of an answer; fails when anything but a head was sent."""
    assert answer.startswith(b"HTTP/1.1 "), answer[:300]
    head, end, rest = answer.partition(b"\r\n\r\n")
    assert (end, rest) == (b"\r\n\r\n", b"")
    first, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    return first.split(b" ")[1], {name: value for name, value in headers.items() if name not in OWN}


def ask(verb: bytes, path: str, more: bytes = b"") -> bytes:
    return verb + b" " + path.encode() + b" HTTP/1.1\r\nhost: localhost\r\n" + more + b"\r\n"


def heads(port: int, *paths: str) -> list[Head]:
    """The answers to HEAD, one after another on one connection, which a body would put out of step."""
    found = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for path in paths:
            connection.sendall(ask(b"HEAD", path))
            answer = b""
            while b"\r\n\r\n" not in answer:
                more = connection.recv(1 << 16)
                assert more, answer
                answer += more
            found.append(head_of(answer))
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1 << 16) == b""
    return found


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get_and_no_body_on_a_connection_that_is_kept(edge: Edge, path: str):
    path = path.replace(SHA, edge.files.sha256)
    edge.not_ready["acme/embedder"] = "loading"  # so that /ready is an error
    first, second, last = heads(edge.http_port, path, path, "/v1/models")
    assert last[0] == b"200"
    assert first == second
    asked = edge.get(path)
    headers = {name.encode(): value.encode() for name, value in asked.headers.items()}
    assert first == (b"%d" % asked.status, {name: value for name, value in headers.items() if name not in OWN})


def test_head_of_each_path_that_get_reads_succeeds(edge: Edge):
    for path in [*(filled(route.template) for route in rest_routes() if route.verb == "GET"), *ADMIN_PATHS]:
        if edge.get(path).status == 200:
            assert edge.request("HEAD", path).status == 200, path


def test_head_of_the_admin_port_has_no_body_either(edge: Edge):
    refused = ("/nowhere", "/v1/files/unknown", "/hub/acme/none/resolve/main/config.json")
    assert len(heads(edge.admin_port, *ADMIN_PATHS, *refused)) == len(ADMIN_PATHS) + len(refused)


@pytest.mark.parametrize(
    ("path", "headers", "refusal"),
    [
        (b"/v1/models", b"", b"400"),
        (b"/v1/models/acme%00none", b"host: localhost\r\n", b"400"),
        (b"/v1/models", b"host: evil.example\r\nconnection: close\r\n", b"403"),
    ],
)
def test_head_that_envoy_refuses_has_no_body(edge: Edge, path: bytes, headers: bytes, refusal: bytes):
    assert head_of(edge.raw(b"HEAD " + path + b" HTTP/1.1\r\n" + headers + b"\r\n"))[0] == refusal


@pytest.mark.parametrize("header", [b"bad_name: 1", b"x: " + b"a" * 20_000])
def test_headers_that_cannot_be_read_end_the_connection_so_that_nothing_follows_the_words(edge: Edge, header: bytes):
    answer = edge.raw(b"HEAD /v1/models HTTP/1.1\r\nhost: localhost\r\n" + header + b"\r\n\r\n")
    assert b"\r\nconnection: close\r\n" in answer


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header as HPACK writes it without a table."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def received(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    with connection.makefile("rb") as stream:
        while head := stream.read(9):
            size = int.from_bytes(head[:3], "big")
            kind, flags, number = struct.unpack(">BBI", head[3:])
            yield kind, flags, number, stream.read(size)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/acme/none", "/hub/acme/none/resolve/main/x", "/nowhere"])
def test_head_over_http2_has_no_body(edge: Edge, path: str):
    data, headers, reset, settings, goaway = 0, 1, 3, 4, 7
    names = {b":method": b"HEAD", b":scheme": b"http", b":path": path.encode(), b":authority": b"localhost"}
    block = b"".join(literal(name, value) for name, value in names.items())
    with socket.create_connection(("127.0.0.1", edge.http_port), timeout=10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0))
        # The end of the headers and of the stream.
        connection.sendall(frame(headers, 0x4 | 0x1, 1, block))
        kinds = []
        for kind, flags, number, payload in received(connection):
            assert kind not in (reset, goaway)
            if number == 1:
                kinds.append(kind)
                assert kind != data or payload == b""
                if flags & 0x1:
                    break
    assert headers in kinds


def test_head_of_a_stream_that_goes_on_ends(edge: Edge):
    edge.jobs.endless = True
    running = next(job for job in edge.jobs.entries.values() if job.status.value == "running")
    path = f"/v1/jobs/{running.id}/events"
    answers = heads(edge.http_port, path, path)
    assert [headers[b"content-type"] for _, headers in answers] == [b"text/event-stream; charset=utf-8"] * 2
