"""The admin port by itself."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
from collections.abc import Mapping

import pytest

from panope_backends.errors import PermissionDeniedError, PreconditionError
from panope_server.access.principal import Principal, current_principal
from panope_server.transport.http.admin import AdminServer, admin_app
from panope_server.transport.http.admin_connections import Connections


def get(
    port: int, path: str, host: str = "localhost", verb: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, object], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(verb, path, headers={"host": host, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}"), answer.headers["content-type"]
    finally:
        connection.close()


async def status() -> object:
    return {"version": "1"}


@pytest.fixture
def app():
    return admin_app(
        exposition=lambda: b"panope_up 1\n", not_ready=dict, status=status, hosts=("localhost", "127.0.0.1", "[::1]")
    )


@pytest.fixture
async def port(app):
    server = AdminServer(app, "127.0.0.1", 0)
    await server.start()
    yield server.port
    await server.stop()


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8002", "127.0.0.1:8002", "[::1]", "[::1]:8002"])
async def test_its_own_names_are_answered(port, host):
    assert (await asyncio.to_thread(get, port, "/health", host))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8002", "localhost.evil.example", "", "::1"])
async def test_a_rebound_name_is_refused(port, host):
    code, told, _ = await asyncio.to_thread(get, port, "/status", host)
    assert (code, told["error"]["code"]) == (403, "host_not_allowed")


async def test_without_names_every_name_is_answered():
    server = AdminServer(admin_app(exposition=bytes, not_ready=dict, status=status), "127.0.0.1", 0)
    await server.start()
    assert (await asyncio.to_thread(get, server.port, "/health", "any.example"))[0] == 200
    await server.stop()


@pytest.mark.parametrize(
    ("verb", "path", "code", "word"),
    [("GET", "/nowhere", 404, "unknown_path"), ("POST", "/health", 405, "method_not_allowed")],
)
async def test_errors_have_the_shape_of_the_edges(port, verb, path, code, word):
    status_code, told, kind = await asyncio.to_thread(get, port, path, "localhost", verb)
    assert (status_code, told["error"]["code"], kind) == (code, word, "application/json")


@pytest.mark.parametrize(
    ("closed", "waiting", "message"),
    [
        ("the server is starting", {}, "not ready: the server is starting"),
        ("Envoy does not run", {"acme/tiny": "loading"}, "not ready: Envoy does not run"),
        ("", {"acme/tiny": "loading"}, "not ready: acme/tiny"),
    ],
)
async def test_a_server_that_cannot_be_called_is_not_ready(closed, waiting, message):
    app = admin_app(exposition=bytes, not_ready=lambda: waiting, status=status, closed=lambda: closed)
    server = AdminServer(app, "127.0.0.1", 0)
    await server.start()
    code, told, _ = await asyncio.to_thread(get, server.port, "/ready")
    await server.stop()
    assert (code, told["error"]["message"], told["ready"]) == (503, message, False)
    assert [model["name"] for model in told["not_ready"]] == list(waiting)


async def test_a_taken_port_is_a_clear_error(app):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(PreconditionError) as raised:
            await AdminServer(app, "127.0.0.1", taken).start()
    assert raised.value.message == f"cannot listen for metrics and health on 127.0.0.1:{taken}: address already in use"


async def test_a_host_that_is_no_address_is_a_clear_error(app):
    with pytest.raises(PreconditionError, match=r"`example\.org`: it is not an IP address"):
        await AdminServer(app, "example.org", 0).start()


async def test_the_server_leaves_the_programs_signals_alone(app):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    server = AdminServer(app, "127.0.0.1", 0)
    await server.start()
    await asyncio.to_thread(get, server.port, "/health")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    await server.stop()


async def closed(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bytes:
    """What comes up to the connection's end."""
    reader, writer = connection
    try:
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HTTP/1.1\r\nhost:",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /he",
        b"POST /health HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
    ],
)
async def test_a_request_that_is_not_sent_in_time_ends_its_connection(app, sent):
    server = AdminServer(app, "127.0.0.1", 0, Connections(request_seconds=0.2))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    answer = await closed((reader, writer))
    assert answer.count(b"HTTP/1.1 ") == sent.count(b"\r\n\r\n")
    await server.stop()


async def test_one_peer_cannot_take_every_connection(app):
    server = AdminServer(app, "127.0.0.1", 0, Connections(most=3, most_of_peer=2))
    await server.start()
    first, second = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
    third = await asyncio.open_connection("127.0.0.1", server.port)
    assert await closed(third) == b""
    other = await asyncio.open_connection("127.0.0.1", server.port, local_addr=("127.0.0.2", 0))
    other[1].write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert (await closed(other)).startswith(b"HTTP/1.1 200")
    for _, writer in (first, second):
        writer.close()
        await writer.wait_closed()
    await server.stop()


class _Doors:
    """Knows one caller."""

    async def principal_of(self, caller):
        if caller.metadata.get("authorization") != "Bearer ada":
            raise PermissionDeniedError("nobody knows this key", reason="unknown_key")
        return Principal("ada")


async def test_every_request_is_let_in_by_who_makes_it_and_known_by_it():
    callers = []

    async def status():
        callers.append(current_principal().name)
        return {}

    app = admin_app(exposition=bytes, not_ready=dict, status=status, authenticator=_Doors())
    server = AdminServer(app, "127.0.0.1", 0)
    await server.start()
    refused, body, _ = await asyncio.to_thread(get, server.port, "/status")
    assert (refused, body["error"]["code"]) == (403, "unknown_key")
    served, _, _ = await asyncio.to_thread(get, server.port, "/status", headers={"authorization": "Bearer ada"})
    assert (served, callers) == (200, ["ada"])
    await server.stop()
