"""A model of several files on the hub's stand-in, and the job that downloads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from safetensors.numpy import save

from panope_registry.download import DOWNLOAD_RETRIES, Downloader
from panope_registry.job_handlers.artifact_download import ArtifactDownload
from panope_registry.job_handlers.requests import DownloadRequest, enqueue_download
from panope_registry.jobs import JobContext, Jobs
from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_registry.sources.hub import HubSource
from panope_registry.store.store import Store
from panope_registry.testing import HubStandIn

MODEL = "acme/sharded"
SHARDS = 5
KIB = 1 << 10


def sharded_files(seed: int = 0) -> dict[str, bytes]:
    """A model whose weights are in several files, each larger than the one before."""
    random = np.random.default_rng(seed)
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}
    files = {"config.json": json.dumps(config).encode()}
    place = {}
    for number in range(1, SHARDS + 1):
        path = f"model-{number:05}-of-{SHARDS:05}.safetensors"
        files[path] = save({f"w{number}": random.standard_normal(number * 64 * KIB).astype(np.float32)})
        place[f"w{number}"] = path
    index = {"metadata": {"total_size": sum(map(len, files.values()))}, "weight_map": place}
    return files | {"model.safetensors.index.json": json.dumps(index).encode()}


@dataclass
class Bench:
    """Runs the handler by hand.

    Attributes:
        told: what it told the log.
    """

    hub: HubStandIn
    registry: Registry
    jobs: Jobs
    store: Store
    downloader: Downloader
    source: HubSource
    told: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    def run(self, context: JobContext | None = None) -> Mapping[str, Any]:
        """The handler's result."""
        handler = ArtifactDownload(self.registry, self.source, self.downloader, lambda *told: self.told.append(told))
        return handler(context or self.context())

    def context(self) -> JobContext:
        """Of a new job, or of the one that is open."""
        return JobContext(enqueue_download(self.jobs, DownloadRequest(MODEL)), self.jobs)

    def missing(self) -> list[str]:
        (variant,) = self.registry.model(MODEL).variants
        return sorted(file.path for file in self.registry.missing_files(variant.digest))

    def fetched(self) -> list[str]:
        """The files whose bytes were asked for, by name."""
        return sorted(request.path.rpartition("file=")[2] for request in self.hub.gets() if request.on == "cdn")


@pytest.fixture
def files() -> dict[str, bytes]:
    return sharded_files()


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        hub.add(MODEL, files)
        yield hub


@pytest.fixture
def make_bench(hub: HubStandIn, database_url: str, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    session = RegistrySession.open(database_url, tmp_path / "home")
    registry = session.registry
    client = httpx2.Client(timeout=5.0, follow_redirects=False)
    source = HubSource(hub.endpoint, client=client)

    def make(**options: Any) -> Bench:
        registry.register(MODEL, source=source)
        hub.requests.clear()
        retry_policy = replace(DOWNLOAD_RETRIES, base_seconds=0.01)
        downloader = Downloader(session.store, free_space_floor_bytes=0, retry_policy=retry_policy, **options)
        return Bench(hub, registry, session.jobs, session.store, downloader, source)

    yield make
    client.close()
    session.close()
