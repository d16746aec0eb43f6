"""The store's files over HTTP, with the hub's real client on the other side."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from safetensors.numpy import save_file

from panope_registry.database import Database, open_engine
from panope_registry.registry import Registry
from panope_registry.serving import Serving
from panope_registry.store import Store
from panope_server.transport.admin import AdminServer, admin_app
from panope_server.transport.files import file_routes

NAME = "acme/tiny"


@dataclass
class Hub:
    """A registry with one model and the HTTP app in front of it."""

    url: str
    port: int
    home: Path
    folder: Path

    def request(self, verb: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(verb, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def sha256(self, path: str) -> str:
        return hashlib.sha256((self.folder / path).read_bytes()).hexdigest()

    def blob(self, path: str) -> Path:
        sha256 = self.sha256(path)
        return self.home / "store" / "blobs" / "sha256" / sha256[:2] / sha256


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "folder"
    folder.mkdir()
    save_file({"weight": np.arange(5000, dtype=np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "model_type": "bert"}))
    (folder / "pickled.bin").write_bytes(b"not imported")
    home = tmp_path / "home"
    url = f"sqlite:///{home / 'registry.sqlite3'}"
    registry = Registry.open(url, home)
    registry.import_folder(folder, NAME)
    database = Database(open_engine(url))
    routes = file_routes(Serving(database, Store(home / "store")))

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def status() -> object:
        return {}

    app = admin_app(exposition=bytes, not_ready=dict, status=status, more=routes)
    server = AdminServer(app, "127.0.0.1", 0)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    yield Hub(f"http://127.0.0.1:{server.port}/hub", server.port, home, folder)
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    database.close()
    registry.close()


@pytest.fixture
def api(hub: Hub, tmp_path: Path) -> Any:
    return HfApi(endpoint=hub.url, token=False)


def test_the_hubs_client_pulls_a_whole_model(hub: Hub, api: Any, tmp_path: Path) -> None:
    pulled = Path(api.snapshot_download(NAME, cache_dir=tmp_path / "cache"))

    assert {path.name for path in pulled.iterdir()} == {"config.json", "model.safetensors"}
    for name in ("config.json", "model.safetensors"):
        assert (pulled / name).read_bytes() == (hub.folder / name).read_bytes()


def test_the_hubs_client_finds_what_it_pulled_intact(api: Any, tmp_path: Path) -> None:
    api.snapshot_download(NAME, cache_dir=tmp_path / "cache")

    report = api.verify_repo_checksums(NAME, cache_dir=tmp_path / "cache")

    assert (report.checked_count, report.mismatches, report.missing_paths) == (2, [], [])


def test_the_hubs_client_reads_sizes_and_hashes(hub: Hub, api: Any) -> None:
    info = api.model_info(NAME, files_metadata=True)

    weights = next(file for file in info.siblings if file.rfilename == "model.safetensors")
    assert weights.size == (hub.folder / "model.safetensors").stat().st_size
    assert weights.lfs.sha256 == hub.sha256("model.safetensors")
    assert [entry.path for entry in api.list_repo_tree(NAME, recursive=True)] == ["config.json", "model.safetensors"]


def test_the_hubs_client_reads_a_safetensors_header_by_ranges(api: Any) -> None:
    assert api.get_safetensors_metadata(NAME).parameter_count == {"F32": 5000}


@pytest.mark.parametrize(
    ("name", "revision", "file", "error"),
    [
        ("acme/other", "main", "config.json", RepositoryNotFoundError),
        (NAME, "elsewhere", "config.json", RevisionNotFoundError),
        (NAME, "main", "pickled.bin", EntryNotFoundError),
        (NAME, "main", "no.json", EntryNotFoundError),
    ],
)
def test_the_hubs_client_raises_its_own_error_for_what_is_not_here(
    api: Any, tmp_path: Path, name: str, revision: str, file: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        api.hf_hub_download(name, file, revision=revision, cache_dir=tmp_path / "cache")


def test_a_commit_names_the_same_files_as_main(hub: Hub, api: Any) -> None:
    commit = api.model_info(NAME).sha

    assert api.model_info(NAME, revision=commit).sha == commit
    status, headers, _ = hub.request("HEAD", f"/hub/{NAME}/resolve/{commit}/config.json")
    assert (status, headers["x-repo-commit"]) == (200, commit)
    assert headers["x-linked-etag"] == headers["etag"] == f'"{hub.sha256("config.json")}"'


def test_a_file_is_served_by_its_sha256_whole_and_in_ranges(hub: Hub) -> None:
    path, whole = f"/v1/files/{hub.sha256('model.safetensors')}", (hub.folder / "model.safetensors").read_bytes()

    status, headers, body = hub.request("GET", path)
    assert (status, body, headers["content-length"]) == (200, whole, str(len(whole)))
    status, headers, body = hub.request("GET", path, {"range": "bytes=100-199"})
    assert (status, body, headers["content-range"]) == (206, whole[100:200], f"bytes 100-199/{len(whole)}")
    status, _, body = hub.request("GET", path, {"range": "bytes=-50"})
    assert (status, body) == (206, whole[-50:])
    status, headers, _ = hub.request("GET", path, {"range": f"bytes={len(whole)}-"})
    assert (status, headers["content-range"]) == (416, f"bytes */{len(whole)}")


def test_a_range_of_other_bytes_than_the_caller_has_is_answered_with_the_whole_file(hub: Hub) -> None:
    path = f"/v1/files/{hub.sha256('config.json')}"
    status, _, body = hub.request("GET", path, {"range": "bytes=5-", "if-range": f'"{"0" * 64}"'})
    assert (status, body) == (200, (hub.folder / "config.json").read_bytes())


def test_a_caller_that_has_the_file_is_told_so(hub: Hub) -> None:
    sha256 = hub.sha256("config.json")
    status, headers, body = hub.request("GET", f"/v1/files/{sha256}", {"if-none-match": f'"{sha256}"'})
    assert (status, headers["etag"], body) == (304, f'"{sha256}"', b"")


def test_what_a_repo_brought_is_never_run_by_a_browser(hub: Hub) -> None:
    _, headers, _ = hub.request("GET", f"/v1/files/{hub.sha256('config.json')}")
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("sha256", ["0" * 64, "0" * 63, "A" * 64, "..%2f..%2fregistry.sqlite3", "%00"])
def test_what_is_no_sha256_of_this_store_is_not_found(hub: Hub, sha256: str) -> None:
    status, _, body = hub.request("GET", f"/v1/files/{sha256}")
    assert (status, list(json.loads(body)["error"])) == (404, ["message", "type", "param", "code"])


@pytest.mark.parametrize("path", ["../config.json", "%2e%2e/config.json", "/etc/passwd", "a/../../config.json"])
def test_a_path_that_leaves_the_model_is_not_found(hub: Hub, path: str) -> None:
    assert hub.request("GET", f"/hub/{NAME}/resolve/main/{path}")[0] == 404


def test_a_damaged_file_is_not_served_and_put_away(hub: Hub) -> None:
    blob = hub.blob("model.safetensors")
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)

    status, _, body = hub.request("GET", f"/v1/files/{blob.name}")

    assert (status, json.loads(body)["error"]["code"]) == (500, "data_loss")
    assert not blob.exists()
    assert hub.request("GET", f"/v1/files/{blob.name}")[0] == 404


def test_only_reading_is_offered(hub: Hub) -> None:
    for verb in ("POST", "PUT", "DELETE"):
        assert hub.request(verb, f"/v1/files/{hub.sha256('config.json')}")[0] == 405
