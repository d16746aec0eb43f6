"""Ten thousand connections on which nothing happens."""

from __future__ import annotations

import contextlib
import resource
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from panope_client import Client

COUNT = 10_000
#: HTTP/2's beginning, and settings without any.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
#: What one may take of the server's memory; measured was 15 kB.
MOST_BYTES = 40_000


@contextlib.contextmanager
def idle_connections(port: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected(port)) for _ in range(COUNT)]


def is_answered(server: Any) -> bool:
    try:
        return bool(server.get("/health").status == 200)
    except OSError:
        return False


def connected(port: int) -> socket.socket:
    """A connection; one that is refused or closed at once counts too."""
    connection = socket.socket()
    connection.settimeout(60)
    with contextlib.suppress(OSError):
        connection.connect(("127.0.0.1", port))
        connection.sendall(PREFACE)
    return connection


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("port", ["grpc_port", "http_port", "admin_port"])
def test_ten_thousand_idle_connections_keep_nobody_out(empty_servers: Any, port: str) -> None:
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < 2 * COUNT:
        pytest.skip(f"this machine allows {most} files a process")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(least, 2 * COUNT), most))
    try:
        server = empty_servers.start(demo=False)
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        with idle_connections(getattr(server, port)):
            took = process.memory_info().rss - before
            seconds = time.monotonic()
            with Client(server.grpc_address, timeout=30) as client:
                assert list(client.models()) == []
            # Envoy takes no more than some thousands, and makes room among those that ask for nothing.
            server.wait(lambda: is_answered(server), 60, "an answer through Envoy")
            seconds = time.monotonic() - seconds
            assert server.process.poll() is None
        sys.stderr.write(f"{port}: {took / COUNT:,.0f} bytes each, both calls {seconds:.1f} s\n")
        assert took < COUNT * MOST_BYTES
        server.wait(lambda: server.admin("/ready").status == 200, 60, "an answer of the admin port afterwards")
        assert server.stop() == 0, server.log()[-2000:]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
