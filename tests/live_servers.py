"""Real servers for tests: the real program, its Envoy and its workers, each on ports and a home of its own."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from page_reader import clean_environment

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
START_SECONDS = 200  # the first start converts the model, on whatever machine this is

RUNNER = "PYTEST_XDIST_WORKER"
"""The variable that names a process of several that run the tests."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, after a look at its shape."""
        told = self.json["error"]
        assert set(told) == {"message", "type", "param", "code"}
        return dict(told)


@dataclass
class LiveServer:
    """One `panope serve`."""

    home: Path
    http_port: int
    grpc_port: int
    admin_port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    model: str = MODEL
    envoy: bool = True

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    def request(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> Reply:
        """One HTTP exchange on a connection of its own; a document is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http_port, timeout=60)
        sent = dict(headers or {})
        if document is not None:
            body = json.dumps(document).encode()
            sent.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Reply:
        return self.request("GET", path, **more)

    def post(self, path: str, document: Any = None, **more: Any) -> Reply:
        return self.request("POST", path, document, **more)

    def admin(self, path: str) -> Reply:
        return self.request("GET", path, port=self.admin_port)

    def is_ready(self) -> bool:
        try:
            return self.admin("/ready").status == 200
        except OSError:
            return False

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Waits until something holds and returns how long that took; fails with the end of the log."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > seconds or self.process.poll() is not None:
                pytest.fail(f"{what} did not happen within {seconds} s\n{self.log()[-3000:]}")
            time.sleep(0.005)
        return time.monotonic() - started

    def wait_ready(self, seconds: float = START_SECONDS) -> float:
        return self.wait(self.is_ready, seconds, "readiness")

    def log(self) -> str:
        return self.log_path.read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        return [child for child in self.children() if "panope_backends.worker" in " ".join(child.cmdline())]

    def stop(self) -> int:
        """Ends the server as an operator does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@dataclass
class Servers:
    """Starts servers and ends them with the test."""

    template: Path
    folder: Path
    running: list[LiveServer] = field(default_factory=list)

    def start(
        self,
        *flags: str,
        home: Path | None = None,
        ready: bool = True,
        envoy: bool = True,
        demo: bool = True,
        python: Path | str = sys.executable,
        **variables: str,
    ) -> LiveServer:
        """Starts `panope serve` on free ports, by default on a copy of a home that holds the converted demo model."""
        number = len(self.running)
        if home is None:
            home = self.folder / f"home-{number}"
            shutil.copytree(self.template, home, symlinks=True)
        http_port, grpc_port, admin_port = free_ports(3)
        command = [str(python), "-m", "panope_server", "serve", "--home", str(home)]
        command += ["--http-port", str(http_port), "--grpc-port", str(grpc_port), "--admin-port", str(admin_port)]
        command += [*(["--demo", "embed"] if demo else []), *([] if envoy else ["--no-envoy"]), *flags]
        log_path = self.folder / f"server-{number}.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                command, env=clean_environment() | variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        server = LiveServer(home, http_port, grpc_port, admin_port, process, log_path, envoy=envoy)
        self.running.append(server)
        if ready:
            server.wait_ready()
            if envoy:
                server.wait(lambda: _answers(server), 20, "an answer through Envoy")
        return server

    def stop(self) -> None:
        for server in self.running:
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGTERM)
        for server in self.running:
            try:
                server.process.wait(40)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def _answers(server: LiveServer) -> bool:
    try:
        return server.get("/health").status == 200
    except OSError:
        return False


#: Below those that systems give to connections, and others for each process that runs tests beside this one.
_ports = itertools.count(20_000 + 2_000 * int(os.environ.get(RUNNER, "gw0")[2:]) + os.getpid() % 1_000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, each told once."""
    found: list[int] = []
    while len(found) < count:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found
