"""The cache of the hub's own client, made by that client: what it holds is not downloaded again, and never trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import snapshot_download

from panope_backends.errors import PreconditionError
from panope_registry.download import Downloader
from panope_registry.job_handlers.artifact_download import ArtifactDownload
from panope_registry.job_handlers.requests import DownloadRequest, enqueue_download
from panope_registry.jobs import JobContext
from panope_registry.session import RegistrySession
from panope_registry.sources.cache import CachedSource, HubCache, OfflineSource
from panope_registry.sources.hub import HubSource
from panope_registry.sources.source import Source
from panope_registry.testing import HubStandIn

NAME = "acme/cached"
WEIGHTS = "model.safetensors"
CONFIG = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn() as hub:
        yield hub


@pytest.fixture
def files(safetensors: Callable[..., bytes]) -> dict[str, bytes]:
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "sub/tokenizer.json": b"{}",
        WEIGHTS: safetensors({"weight": ("F32", [64, 1024])}, fill=7),
    }


@pytest.fixture
def source(hub: HubStandIn, folder: Path) -> Iterator[CachedSource]:
    """The hub with the cache before it."""
    source = HubSource(hub.endpoint)
    yield CachedSource(source, HubCache(folder))
    source.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "hub-cache"


@pytest.fixture
def cached(hub: HubStandIn, files: dict[str, bytes], folder: Path) -> str:
    """The commit; the client has all of it."""
    commit = hub.add(NAME, files)
    _download(hub, folder)
    return commit


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Callable[[Source], RegistrySession]]:
    """Registers and downloads the model into a home of its own."""
    home = tmp_path / "home"
    session = RegistrySession.open(home / "db", home)

    def pull(source: Source) -> RegistrySession:
        session.registry.register(NAME, source=source)
        downloader = Downloader(session.store, free_space_floor_bytes=0)
        handler = ArtifactDownload(session.registry, source, downloader)
        handler(JobContext(enqueue_download(session.jobs, DownloadRequest(NAME)), session.jobs))
        return session

    yield pull
    session.close()


def test_a_pull_takes_every_file_from_the_cache_and_asks_the_hub_for_none(
    hub: HubStandIn, cached: str, files: dict[str, bytes], folder: Path, source: CachedSource, pull: Any
) -> None:
    before = _listed(folder)
    session = pull(source)
    assert _bytes_asked(hub) == []
    assert _stored(session) == files
    assert _listed(folder) == before  # nothing in the cache was changed


def test_what_the_cache_has_of_another_commit_serves_too(
    hub: HubStandIn, cached: str, files: dict[str, bytes], source: CachedSource, pull: Any
) -> None:
    newer = files | {"config.json": json.dumps(CONFIG | {"hidden_size": 16}).encode()}
    assert hub.add(NAME, newer) != cached
    session = pull(source)
    assert len(_bytes_asked(hub)) == 1  # config.json
    assert _stored(session) == newer


@pytest.mark.parametrize("damaged", [WEIGHTS, "config.json"])
@pytest.mark.parametrize("how", ["a byte", "shorter", "empty", "gone", "a link out of the cache"])
def test_what_is_damaged_in_the_cache_comes_from_the_hub(
    hub: HubStandIn,
    cached: str,
    files: dict[str, bytes],
    folder: Path,
    source: CachedSource,
    pull: Any,
    damaged: str,
    how: str,
) -> None:
    blob = _blob(folder, cached, damaged)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.chmod(0o644)
    blob.unlink()
    if how == "a link out of the cache":
        outside = folder.parent / blob.name
        outside.write_bytes(files[damaged])
        blob.symlink_to(outside)
    elif how != "gone":
        blob.write_bytes({"a byte": bytes(data), "shorter": bytes(data[:-1]), "empty": b""}[how])
    session = pull(source)
    assert {path for path in _bytes_asked(hub) if path.endswith(damaged)}
    assert not [path for path in _bytes_asked(hub) if path.endswith("sub/tokenizer.json")]
    assert _stored(session) == files


def test_offline_the_cache_alone_serves_by_branch_and_by_commit(
    hub: HubStandIn, cached: str, files: dict[str, bytes], folder: Path, pull: Any
) -> None:
    hub.requests.clear()
    source = OfflineSource(HubCache(folder), "https://hub.example")
    assert source.resolve(NAME, cached) == source.resolve(NAME, cached)
    session = pull(source)
    assert _stored(session) == files
    assert (session.registry.model(NAME).commit, hub.requests) == (cached, [])


def test_offline_what_the_cache_lacks_is_refused_by_name(hub: HubStandIn, cached: str, folder: Path, pull: Any) -> None:
    source = OfflineSource(HubCache(folder), hub.endpoint)
    for name, revision in (("acme/other", "main"), (NAME, "other"), (NAME, "0" * 40), (NAME, "../../main")):
        with pytest.raises(PreconditionError) as caught:
            source.resolve(name, revision)
        assert (caught.value.reason, caught.value.field) == ("offline", "model")
    found = source.resolve(NAME)
    _blob(folder, cached, WEIGHTS).unlink()
    with pytest.raises(PreconditionError) as caught, source.open(found, WEIGHTS):
        pass
    assert caught.value.reason == "offline"
    for missing in (folder / "nowhere", Path("/dev/null")):
        with pytest.raises(PreconditionError):
            OfflineSource(HubCache(missing), hub.endpoint).resolve(NAME)


def test_a_model_of_which_the_cache_had_a_part_is_whole_once_the_hub_is_asked(
    hub: HubStandIn, files: dict[str, bytes], folder: Path, source: CachedSource, pull: Any
) -> None:
    commit = hub.add(NAME, files)
    _download(hub, folder, allow_patterns=["config.json", WEIGHTS])
    session = pull(OfflineSource(HubCache(folder), hub.endpoint))
    assert sorted(_stored(session)) == ["config.json", WEIGHTS]
    pull(source)
    assert session.registry.model(NAME).commit == commit
    assert _stored(session) == files


def _download(hub: HubStandIn, folder: Path, **more: Any) -> None:
    snapshot_download(NAME, endpoint=hub.endpoint, cache_dir=folder, token=False, **more)
    hub.requests.clear()


def _blob(folder: Path, commit: str, path: str) -> Path:
    return (folder / f"models--{NAME.replace('/', '--')}" / "snapshots" / commit / path).resolve()


def _listed(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file with what a change would change; reading may renew the time of access alone."""
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {str(path): (stat.st_mtime_ns, stat.st_mode, stat.st_nlink) for path, stat in found}


def _bytes_asked(hub: HubStandIn) -> list[str]:
    """The paths of files whose bytes the hub was asked for."""
    return [request.path for request in hub.gets()]


def _stored(session: RegistrySession) -> dict[str, bytes]:
    """The files of the model that are in the store."""
    here = {file.path: file.sha256 for file in session.registry.files(NAME) if file.is_local}
    return {path: session.store.blob_path(sha256).read_bytes() for path, sha256 in here.items()}


def test_the_client_and_the_cache_agree_where_things_are(cached: str, folder: Path) -> None:
    """Should a release of the client lay its cache out in another way, the tests above would test nothing."""
    repo = folder / f"models--{NAME.replace('/', '--')}"
    assert (repo / "refs" / "main").read_text() == cached
    assert _blob(folder, cached, WEIGHTS).parent == (repo / "blobs").resolve()
    shutil.rmtree(repo)
    assert HubCache(folder).revision(NAME, "main") is None
