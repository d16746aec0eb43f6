"""Options of an Envoy on a free port, and a way to ask it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from panope_envoy.options import EdgeOptions
from panope_server.runtime.processes.envoy import EnvoyProcess


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def edge_options(folder: Path, **given: object) -> EdgeOptions:
    sockets = {"grpc_socket": str(folder / "grpc.sock"), "envoy_admin_socket": str(folder / "envoy.sock")}
    return EdgeOptions(**{**sockets, "http_port": free_port(), **given})


async def ask(envoy: EnvoyProcess, path: str = "/nowhere") -> bytes:
    """The answer to a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", envoy._options.http_port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer
