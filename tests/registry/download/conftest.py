"""A hub that fails on demand, a store, and time that passes when told to."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest

from panope_registry.download import DOWNLOAD_RETRIES, Downloader, ExpectedBlob, Stream
from panope_registry.download.progress import Clock
from panope_registry.sources.hub import HubSource
from panope_registry.store.store import Store
from panope_registry.testing import HubStandIn

MIB = 1 << 20
IDLE_SECONDS = 0.5


@dataclass
class Time:
    """Stands still but for those who sleep."""

    now: float = 1000.0
    slept: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


@dataclass(frozen=True)
class Offer:
    """A file on the hub."""

    hub: HubStandIn
    source: HubSource
    path: str
    content: bytes
    wanted: ExpectedBlob

    def open_at(self, start: int) -> AbstractContextManager[Stream]:
        return self.source.open(self.source.resolve("v/m"), self.path, start)

    @property
    def ranges(self) -> list[str]:
        """Of the GETs that got bytes; empty for those that asked for the whole file."""
        return [request.headers.get("range", "") for request in self.hub.gets(self.path)]


@dataclass(frozen=True)
class Chunks:
    """A stream that is told what to say."""

    start: int
    total_bytes: int | None
    parts: list[bytes]

    def chunks(self) -> Iterator[bytes]:
        yield from self.parts


@dataclass
class Said:
    """Opens streams that were written down; remembers where they were asked to begin."""

    answers: list[Chunks]
    asked: list[int] = field(default_factory=list)

    @contextmanager
    def open_at(self, start: int) -> Iterator[Stream]:
        self.asked.append(start)
        yield self.answers.pop(0)


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture
def source(hub: HubStandIn) -> Iterator[HubSource]:
    with httpx2.Client(timeout=IDLE_SECONDS, follow_redirects=False) as client:
        yield HubSource(hub.endpoint, client=client)


@pytest.fixture
def offer(hub: HubStandIn, source: HubSource) -> Callable[..., Offer]:
    """Puts a file on the hub."""

    def put(size: int = 5 * MIB, path: str = "model.safetensors", seed: int = 0) -> Offer:
        content = random.Random(seed).randbytes(size)
        hub.add("v/m", {path: content})
        (file,) = source.resolve("v/m").files
        return Offer(hub, source, path, content, ExpectedBlob(file.sha256, file.git_sha1, file.size_bytes))

    return put


@pytest.fixture
def make_time() -> Callable[[], Time]:
    return Time


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def downloader(store: Store, time: Time) -> Downloader:
    """Its waits take no time."""
    retry_policy = replace(DOWNLOAD_RETRIES, random=lambda: 1.0)
    return Downloader(store, free_space_floor_bytes=0, clock=time.clock, retry_policy=retry_policy)


@pytest.fixture
def said() -> Callable[..., Said]:
    """Streams by (start, total, parts)."""
    return lambda *answers: Said([Chunks(*answer) for answer in answers])


@pytest.fixture
def wanted() -> Callable[[bytes], ExpectedBlob]:
    return lambda content: ExpectedBlob(hashlib.sha256(content).hexdigest(), None, len(content))


@pytest.fixture
def left(store: Store) -> Callable[[], list[str]]:
    """The names in the store's folder of downloads."""
    return lambda: sorted(path.name for path in store.downloads.iterdir())
