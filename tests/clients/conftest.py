"""A fake server that keeps what it was asked, both Python clients behind one asynchronous face, and Go's tools."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from panope_client import AsyncClient, Client

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `client_doubles` and `hub_edge`

from client_doubles.either_client import FakeClock, Threaded, with_clock
from client_doubles.go_tools import Go
from client_doubles.server import FakeServer

ROOT = Path(__file__).resolve().parents[2]
GRPCURL = "v1.9.3"


@pytest.fixture
async def fake() -> FakeServer:
    """The fake's behaviour and memory."""
    return FakeServer()


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where the fake listens."""
    return f"unix:{tmp_path}/grpc"


@pytest.fixture
async def server(fake: FakeServer, address: str) -> AsyncIterator[grpc.aio.Server]:
    """The fake, listening."""
    server = await fake.serve(address)
    yield server
    await server.stop(None)


@pytest.fixture(params=[Client, AsyncClient], ids=["threads", "asyncio"])
async def connect(request: pytest.FixtureRequest, address: str) -> AsyncIterator[Callable[..., Any]]:
    """Makes clients of one kind with the arguments of the constructor; each test runs with both kinds."""
    made: list[Any] = []

    def make(*, clock: FakeClock | None = None, uniform: float = 0.5, **options: Any) -> Any:
        client = request.param(address, **options)
        made.append(client)
        if clock is not None:
            with_clock(client, clock, uniform)
        return client if isinstance(client, AsyncClient) else Threaded(client)

    yield make
    for client in made:
        closing = client.close()
        if inspect.isawaitable(closing):
            await closing


@pytest.fixture
async def client(connect: Callable[..., Any], server: grpc.aio.Server) -> Any:
    """A client of the fake, with its defaults."""
    return connect()


@pytest.fixture
def clock() -> FakeClock:
    """Time that passes only in sleeps."""
    return FakeClock()


@pytest.fixture(scope="session")
def go() -> Go:
    """The Go toolchain; without it the test is skipped, or fails where PANOPE_TEST_REQUIRE_GO=1 demands it."""
    program = shutil.which("go")
    if program is None:
        if os.environ.get("PANOPE_TEST_REQUIRE_GO") == "1":
            pytest.fail("PANOPE_TEST_REQUIRE_GO=1, but this machine has no Go toolchain")
        pytest.skip("needs the Go toolchain: no `go` on PATH")
    return Go(program, ROOT / "clients/go")


@pytest.fixture(scope="session")
def grpcurl(go: Go) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the real grpcurl, built once and kept in `.cache`."""
    folder = ROOT / ".cache/go-bin" / f"grpcurl-{GRPCURL}"
    if not (folder / "grpcurl").exists():
        built = go.run("install", f"github.com/fullstorydev/grpcurl/cmd/grpcurl@{GRPCURL}", GOBIN=str(folder))
        assert built.returncode == 0, built.stderr

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [folder / "grpcurl", "-plaintext", *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    return run
