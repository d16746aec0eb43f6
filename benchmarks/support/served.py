"""A server of its own for a benchmark: started on free ports, watched, stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from benchmarks.support.commands import import_model
from panope_server.cli.server.demo import EMBED

READY_SECONDS = 300.0
"""How long a start may take, on a machine that does other things as well."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _imported_demo(home: Path, python: str) -> str:
    """Imports the demo's model if need be, by a command that every version has; its name."""
    if not (home / "registry.sqlite3").exists():
        spec = find_spec(EMBED.package)
        assert spec is not None
        assert spec.origin is not None
        import_model(home, EMBED.name, Path(spec.origin).parent / EMBED.folder, python)
    return EMBED.name


class Served:
    """`panope serve` as a context, with the demo model or without; `ready_seconds`: from exec to a 200 of /ready."""

    def __init__(self, home: Path, *flags: str, demo: bool = True, python: str = sys.executable) -> None:
        self.http_port, self.grpc_port, self.admin_port = free_ports(3)
        self._log = (home.parent / "server.log").open("wb")
        demo_flags = ["--load", _imported_demo(home, python)] if demo else []
        command = [python, "-m", "panope_server", "serve", *demo_flags, "--home", str(home)]
        for name in ("http", "grpc", "admin"):
            command += [f"--{name}-port", str(getattr(self, f"{name}_port"))]
        # The first start writes bytecode, as on a user's machine, and the measured one reads it.
        unwanted = ("PANOPE_", "PYTHONDONTWRITEBYTECODE")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
        started = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *flags], env=environment, stdout=subprocess.DEVNULL, stderr=self._log
        )
        self._wait_ready()
        self.ready_seconds = time.monotonic() - started

    @property
    def grpc_address(self) -> str:
        """Where gRPC is served."""
        return f"127.0.0.1:{self.grpc_port}"

    def resident_bytes(self) -> int:
        """The server process's own memory, without workers and Envoy."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def model(self, name: str) -> dict[str, Any]:
        """What the server tells of a model."""
        url = f"http://127.0.0.1:{self.http_port}/v1/models/{name}/info"
        with urllib.request.urlopen(url, timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self._log.close()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}; see {self._log.name}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/ready", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.01)
        self.process.kill()
        raise TimeoutError(f"the server was not ready after {READY_SECONDS:g} seconds; see {self._log.name}")
