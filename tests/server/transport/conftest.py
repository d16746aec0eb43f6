"""A registry with three models and the HTTP app in front of it."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi
from safetensors.numpy import save_file

from panope_registry.registry import Registry
from panope_registry.session import RegistrySession
from panope_server.transport.http.admin import AdminServer, admin_app
from panope_server.transport.http.files import file_routes
from panope_server.transport.http.hub.app import hub_routes

NAME = "acme/tiny"


@dataclass
class Hub:
    """A registry with one model and the HTTP app in front of it."""

    url: str
    port: int
    home: Path
    folder: Path
    registry: Registry

    def request(
        self, verb: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(verb, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        """What a GET below `/hub` answers."""
        status, _, body = self.request("GET", f"/hub{path}")
        assert status == 200, body
        return json.loads(body)

    def sha256(self, path: str) -> str:
        return hashlib.sha256((self.folder / path).read_bytes()).hexdigest()

    def blob(self, path: str) -> Path:
        sha256 = self.sha256(path)
        return self.home / "store" / "blobs" / "sha256" / sha256[:2] / sha256


def _nested(folder: Path) -> Path:
    """A model with files in folders, and in folders of those."""
    for path in ("config.json", "tokenizer.json", "assets/words/en.txt", "assets/words/fr.txt", "assets/about.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps({"model_type": "gpt2"} if path == "config.json" else {"of": path}))
    save_file({"weight": np.ones(7, dtype=np.float16)}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """For tests that change nothing."""
    with _running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def own_hub(tmp_path: Path) -> Iterator[Hub]:
    """For a test that changes files or models."""
    with _running_hub(tmp_path) as running:
        yield running


@contextmanager
def _running_hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "folder"
    folder.mkdir()
    save_file({"weight": np.arange(5000, dtype=np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    (folder / "pickled.bin").write_bytes(b"not imported")
    home = tmp_path / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    registry = session.registry
    registry.import_folder(folder, NAME)
    registry.import_folder(_nested(tmp_path / "nested"), "zeta/nested")
    registry.import_folder(_nested(tmp_path / "short"), "short")
    routes = [*file_routes(session.published_files), *hub_routes(session.published_files)]

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def status() -> object:
        return {}

    app = admin_app(exposition=bytes, not_ready=dict, status=status, more=routes)
    server = AdminServer(app, "127.0.0.1", 0)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    yield Hub(f"http://127.0.0.1:{server.port}/hub", server.port, home, folder, registry)
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    session.close()


@pytest.fixture
def api(hub: Hub) -> Any:
    return HfApi(endpoint=hub.url, token=False)
