"""The stand-in is a hub to the real client, and goes wrong where a test wants it to."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub import errors as hub_errors

from panope_registry.testing import HubStandIn
from panope_registry.testing.hub_faults import NAMES

NAME = "vendor/model"
TOKEN = "hf_secret"
BODY = bytes(range(256)) * 1024

MakeModel = Callable[..., Path]


@pytest.fixture
def hub() -> Iterator[HubStandIn]:
    with HubStandIn(token=TOKEN) as hub:
        yield hub


@pytest.fixture
def api(hub: HubStandIn) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=False)


def _content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def _download(hub: HubStandIn, to: Path, **more: Any) -> Path:
    return Path(snapshot_download(NAME, endpoint=hub.endpoint, local_dir=to, **({"token": False} | more)))


def test_the_client_reads_a_repos_description(hub: HubStandIn, api: HfApi, make_model: MakeModel) -> None:
    folder = make_model()
    commit = hub.add(NAME, folder, pipeline_tag="sentence-similarity", library_name="sentence-transformers")
    info = api.model_info(NAME, files_metadata=True)
    assert (info.sha, info.pipeline_tag, info.library_name) == (commit, "sentence-similarity", "sentence-transformers")
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    assert sizes == {path: len(data) for path, data in _content(folder).items()}
    assert [file.rfilename for file in info.siblings or [] if file.lfs] == ["model.safetensors"]


@pytest.mark.parametrize("page_size", [1, 4, 1000])
def test_the_client_follows_the_pages_of_a_tree(
    hub: HubStandIn, api: HfApi, make_model: MakeModel, page_size: int
) -> None:
    hub.page_size = page_size
    hub.add(NAME, make_model())
    paths = [entry.path for entry in api.list_repo_tree(NAME, recursive=True)]
    assert sorted(paths) == sorted(_content(make_model()))


def test_the_client_downloads_every_byte_and_finds_it_right(
    hub: HubStandIn, api: HfApi, make_model: MakeModel, tmp_path: Path
) -> None:
    folder = make_model()
    hub.add(NAME, folder)
    downloaded = _download(hub, tmp_path / "to")
    assert _content(downloaded) == _content(folder)
    checked = api.verify_repo_checksums(NAME, local_dir=downloaded)
    assert (checked.mismatches, checked.missing_paths) == ([], [])


def test_the_client_finds_a_changed_file(hub: HubStandIn, api: HfApi, make_model: MakeModel, tmp_path: Path) -> None:
    hub.add(NAME, make_model())
    downloaded = _download(hub, tmp_path / "to")
    for path in ("config.json", "model.safetensors"):
        (downloaded / path).write_bytes(b"other")
    checked = api.verify_repo_checksums(NAME, local_dir=downloaded)
    assert sorted(found.path if hasattr(found, "path") else found["path"] for found in checked.mismatches) == [
        "config.json",
        "model.safetensors",
    ]


def test_the_client_reads_weights_headers_by_range(hub: HubStandIn, api: HfApi, make_model: MakeModel) -> None:
    hub.add(NAME, make_model())
    assert api.get_safetensors_metadata(NAME).parameter_count == {"F32": 32, "I64": 2}
    assert any("range" in request.headers for request in hub.gets("model.safetensors"))


def test_the_client_learns_of_a_file_by_its_headers(hub: HubStandIn, api: HfApi, make_model: MakeModel) -> None:
    commit = hub.add(NAME, make_model())
    found = api.get_hf_file_metadata(url=f"{hub.endpoint}/{NAME}/resolve/main/model.safetensors")
    (entry,) = api.get_paths_info(NAME, "model.safetensors")
    assert (found.commit_hash, found.size) == (commit, entry.size)  # type: ignore[union-attr] # a file, no folder
    assert found.etag == entry.lfs.sha256  # type: ignore[union-attr] # a file, no folder
    assert found.location.startswith(hub.cdn_endpoint)


def test_a_branch_is_what_its_last_commit_holds(hub: HubStandIn, api: HfApi) -> None:
    first = hub.add(NAME, {"a.txt": b"1"})
    second = hub.add(NAME, {"a.txt": b"2"})
    assert first != second
    assert [branch.target_commit for branch in api.list_repo_refs(NAME).branches] == [second]
    assert api.model_info(NAME, revision=first).sha == first


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda api: api.model_info("no/repo"), hub_errors.RepositoryNotFoundError),
        (lambda api: api.model_info(NAME, revision="no"), hub_errors.RevisionNotFoundError),
        (lambda api: list(api.list_repo_tree(NAME, revision="no")), hub_errors.RevisionNotFoundError),
        (lambda api: api.hf_hub_download(NAME, "no", force_download=True), hub_errors.RemoteEntryNotFoundError),
        (lambda api: api.model_info("v/private"), hub_errors.RepositoryNotFoundError),
        (lambda api: api.auth_check("v/gated"), hub_errors.GatedRepoError),
    ],
)
def test_the_client_tells_refusals_apart(
    hub: HubStandIn, api: HfApi, ask: Callable[[HfApi], object], error: type[Exception]
) -> None:
    hub.add(NAME, {"a.txt": b"1"})
    hub.add("v/private", {"a.txt": b"1"}, private=True)
    hub.add("v/gated", {"a.txt": b"1"}, gated=True)
    with pytest.raises(error):
        ask(api)


def test_a_gated_file_opens_to_the_token_which_the_other_origin_never_sees(
    hub: HubStandIn, make_model: MakeModel, tmp_path: Path
) -> None:
    hub.add(NAME, make_model(), gated=True)
    with pytest.raises(hub_errors.GatedRepoError):
        _download(hub, tmp_path / "refused")
    _download(hub, tmp_path / "to", token=TOKEN)
    tokens = {request.on: request.headers.get("authorization") for request in hub.requests[-3:] + hub.gets("signature")}
    assert tokens["cdn"] is None
    assert any(request.headers.get("authorization") == f"Bearer {TOKEN}" for request in hub.requests)


def test_an_offline_client_asks_for_nothing(hub: HubStandIn, make_model: MakeModel, tmp_path: Path) -> None:
    hub.add(NAME, make_model())
    program = f"from huggingface_hub import HfApi; HfApi(endpoint={hub.endpoint!r}, token=False).model_info({NAME!r})"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert "OfflineModeIsEnabled" in ended.stderr
    assert hub.requests == []


def _get(hub: HubStandIn, path: str = "/vendor/model/resolve/main/a.txt", **headers: str) -> tuple[int, Any, bytes]:
    parts = urlsplit(hub.endpoint)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_ranges_are_parts_of_the_file(hub: HubStandIn) -> None:
    hub.add(NAME, {"a.txt": BODY})
    status, headers, body = _get(hub, Range="bytes=100-199")
    assert (status, headers["content-range"], body) == (206, f"bytes 100-199/{len(BODY)}", BODY[100:200])
    assert _get(hub, Range=f"bytes={len(BODY) - 1}-")[2] == BODY[-1:]
    assert _get(hub, Range=f"bytes={len(BODY)}-")[0] == 416


@pytest.mark.parametrize(
    ("name", "options", "seen"),
    [
        ("status", {"code": 429, "retry_after": 7}, lambda s, h, b: (s, h["retry-after"]) == (429, "7")),
        ("ignore_range", {}, lambda s, h, b: (s, b) == (200, BODY)),
        ("not_satisfiable", {}, lambda s, h, b: s == 416),
        ("flip_byte", {"at": 5}, lambda s, h, b: [i for i, byte in enumerate(b) if byte != BODY[i + 1]] == [4]),
        ("cut", {"bytes": 10}, lambda s, h, b: b == BODY[1:-10] and int(h["content-length"]) == len(b)),
        ("trickle", {"bytes": 1 << 17, "seconds": 0.001}, lambda s, h, b: b == BODY[1:]),
        ("gzip", {}, lambda s, h, b: h["content-encoding"] == "gzip" and b[:2] == b"\x1f\x8b"),
        ("redirect", {"location": "self"}, lambda s, h, b: s == 302 and h["location"].endswith("a.txt")),
        ("drop_header", {"header": "etag"}, lambda s, h, b: "etag" not in h and b == BODY[1:]),
    ],
)
def test_a_fault_happens_as_often_as_it_was_asked_for(
    hub: HubStandIn, name: str, options: dict[str, Any], seen: Callable[..., bool]
) -> None:
    hub.add(NAME, {"a.txt": BODY})
    hub.fault(name, times=2, match="a.txt", **options)
    for _ in range(2):
        assert seen(*_get(hub, Range="bytes=1-"))
    assert _get(hub, Range="bytes=1-")[2] == BODY[1:]


def test_a_dropped_link_ends_in_the_middle(hub: HubStandIn) -> None:
    hub.add(NAME, {"a.txt": BODY})
    hub.fault("drop_after", bytes=1000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        _get(hub)
    assert caught.value.partial == BODY[:1000]


def test_a_stalled_link_says_nothing_more_until_the_hub_closes(hub: HubStandIn) -> None:
    hub.add(NAME, {"a.txt": BODY})
    hub.fault("stall", bytes=1000)
    ended: list[object] = []

    def read() -> None:
        try:
            _get(hub)
        except http.client.IncompleteRead as error:
            ended.append(error.partial)

    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.3)
    assert ended == []
    hub.close()
    reader.join(10)
    assert ended == [BODY[:1000]]


def test_a_branch_can_move_between_two_requests(hub: HubStandIn) -> None:
    hub.add(NAME, {"a.txt": b"1"})
    hub.fault("then", action=lambda: hub.add(NAME, {"a.txt": b"2"}))
    assert [_get(hub)[2], _get(hub)[2]] == [b"1", b"2"]


def test_a_fault_of_no_name_is_refused_with_those_that_there_are(hub: HubStandIn) -> None:
    with pytest.raises(ValueError, match="drop_after"):
        hub.fault("earthquake")
    assert len(NAMES) == 12
