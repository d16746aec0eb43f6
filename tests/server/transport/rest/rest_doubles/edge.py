"""A running façade, and ways to call it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rest_doubles.aliases import FakeAliases
from rest_doubles.generation_jobs import FakeGenerationJobs
from rest_doubles.instances import FakeInstances
from rest_doubles.jobs import FakeJobs
from rest_doubles.models import FakeModels
from rest_doubles.registry import FakeAcquisition, FakeFiles, FakeModelAdmin

import live_servers
from panope_server.runtime.processes.envoy import EnvoyProcess
from panope_server.runtime.processes.envoy_admin import EnvoyAdmin

T = TypeVar("T")


@dataclass(frozen=True)
class Reply(live_servers.Reply):
    """An HTTP answer of the façade."""

    @property
    def error(self) -> dict[str, Any]:
        """The error, after a look at its shape."""
        told = self.json
        assert list(told["error"]) == ["message", "type", "param", "code"], told
        assert self.headers["content-type"] == "application/json"
        return dict(told["error"])


@dataclass
class Edge:
    """A running façade, and ways to call it."""

    http_port: int
    grpc_port: int
    admin_port: int
    models: FakeModels
    instances: FakeInstances
    jobs: FakeJobs
    generation_jobs: FakeGenerationJobs
    aliases: FakeAliases
    acquisition: FakeAcquisition
    model_admin: FakeModelAdmin
    files: FakeFiles
    not_ready: dict[str, str]
    loop: asyncio.AbstractEventLoop
    admin_socket: str
    access_log: Path
    envoy: EnvoyProcess

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def stats(self, name: str) -> str:
        """Envoy's counters whose names hold `name`."""
        return self.run(EnvoyAdmin(self.admin_socket)._request("GET", f"/stats?filter={name}")).decode()

    def request(
        self, verb: str, path: str, body: object = None, headers: dict[str, str] | None = None, port: int = 0
    ) -> Reply:
        """Sends bytes as they are, and anything else as JSON."""
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        told = {} if body is None else {"content-type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http_port, timeout=30)
        try:
            connection.request(verb, path, sent, {**told, **(headers or {})})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Reply:
        return self.request("POST", path, body, headers)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return self.request("GET", path, None, headers)

    def raw(self, data: bytes, port: int = 0) -> bytes:
        """What is answered, up to the connection's end, to bytes that no HTTP library would send."""
        with socket.create_connection(("127.0.0.1", port or self.http_port), timeout=10) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))
