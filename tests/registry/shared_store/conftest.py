"""A server that speaks S3, and machines that share a bucket of it."""

from __future__ import annotations

import socket
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from panope_backends.errors import PanopeError
from panope_registry.download import DOWNLOAD_RETRIES, Downloader
from panope_registry.job_handlers.artifact_download import ArtifactDownload
from panope_registry.job_handlers.requests import DownloadRequest, enqueue_download
from panope_registry.jobs import JobContext
from panope_registry.session import RegistrySession
from panope_registry.shared_store import RemoteStore, S3Store, SharedStoreSource, Uploader

KEYS = {"access_key_id": "test", "secret_access_key": "test"}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str) -> str:
    name = f"models-{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{s3_endpoint}/{name}", method="PUT")).close()
    return name


@pytest.fixture
def remote(s3_endpoint: str, bucket: str) -> S3Store:
    return S3Store(bucket, prefix="panope", endpoint=s3_endpoint, options=KEYS)


@pytest.fixture
def away() -> S3Store:
    """A shared store that nobody serves."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        return S3Store("models", endpoint=f"http://127.0.0.1:{port}", options=KEYS, max_retries=0)


@pytest.fixture
def refusing() -> Iterator[S3Store]:
    """A shared store that takes nobody's keys."""

    class Refuse(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD = do_DELETE = do_PUT = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        Thread(target=server.serve_forever).start()
        yield S3Store("models", endpoint=f"http://127.0.0.1:{server.server_port}", options=KEYS, max_retries=0)
        server.shutdown()


@pytest.fixture
def session(database_url: str, home: Path, remote: S3Store) -> Iterator[RegistrySession]:
    """A machine that shares the bucket."""
    with RegistrySession.open(database_url, home, shared_store_id=remote.id) as session:
        yield session


@pytest.fixture
def other_machine(database_url: str, tmp_path: Path, remote: S3Store) -> Iterator[RegistrySession]:
    """Another machine on the same database, which shares the bucket too."""
    with RegistrySession.open(database_url, tmp_path / "other", shared_store_id=remote.id) as session:
        yield session


@pytest.fixture
def sharing() -> Callable[[RegistrySession, RemoteStore], Uploader]:
    """The shared store as seen from a machine."""

    def see(machine: RegistrySession, remote: RemoteStore) -> Uploader:
        return Uploader(machine.database, machine.store, remote)

    return see


@pytest.fixture
def pull() -> Callable[..., Pulled]:
    """Runs the job that downloads a model, on one machine, with the shared store or without."""

    def run(
        machine: RegistrySession, model: str, remote: RemoteStore | None, source: Any = None, variant: str = ""
    ) -> Pulled:
        pulled = Pulled()
        retry_policy = replace(DOWNLOAD_RETRIES, max_attempts=3, base_seconds=0.0)
        downloader = Downloader(machine.store, free_space_floor_bytes=0, retry_policy=retry_policy)
        shared = remote and SharedStoreSource(remote, machine.registry.record_not_shared, pulled.away.append)
        jobs = machine.jobs
        job = enqueue_download(jobs, DownloadRequest(model, variant=variant))
        handler = ArtifactDownload(machine.registry, source, downloader, shared=shared)
        try:
            pulled.files = handler(JobContext(job, jobs))["files"]
        finally:
            jobs.cancel(job.id)
        return pulled

    return run


@dataclass
class Pulled:
    """What came, and what was said of a shared store that did not answer."""

    files: list[str] = field(default_factory=list)
    away: list[PanopeError] = field(default_factory=list)
