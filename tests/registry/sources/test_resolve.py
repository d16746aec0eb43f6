"""What a repo holds, told by the hub and doubted here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, RepoFile

from panope_backends.errors import AvailabilityError, InvalidInputError, NotFoundError, PanopeError
from panope_registry.sources.hub import HubSource
from panope_registry.sources.source import RemoteFile
from panope_registry.testing import HubStandIn

NAME = "vendor/model"
MakeModel = Callable[..., Path]


def test_a_repo_is_what_the_official_client_sees(hub: HubStandIn, source: HubSource, make_model: MakeModel) -> None:
    card = {"base_model": ["a/base", "b/base"]}
    hub.add(NAME, make_model(), pipeline_tag="feature-extraction", library_name="x", tags=["t"], cardData=card)
    found = source.resolve(NAME)
    api = HfApi(endpoint=hub.endpoint, token=False)
    info = api.model_info(NAME)
    assert (found.commit, found.pipeline_tag, found.library_name) == (info.sha, info.pipeline_tag, info.library_name)
    assert (found.ref, found.tags, found.base_models, found.gated) == ("main", ("t",), ("a/base", "b/base"), False)
    listed = [entry for entry in api.list_repo_tree(NAME, recursive=True) if isinstance(entry, RepoFile)]
    assert list(found.files) == [
        RemoteFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id, entry.xet_hash)
        for entry in sorted(listed, key=lambda entry: entry.path)
    ]


def test_a_listing_of_many_pages_is_whole(hub: HubStandIn, source: HubSource) -> None:
    listed = [{"type": "file", "path": f"f{number}", "size": 1, "oid": "0" * 40} for number in range(10_000)]
    hub.add(NAME, {"config.json": b"{}"}, listed=[*listed, {"type": "directory", "path": "d", "oid": "0" * 40}])
    assert len(source.resolve(NAME).files) == 10_001
    assert sum("/tree/" in request.path for request in hub.requests) == 11


def test_a_branch_a_commit_and_a_tag_name_the_same_files(hub: HubStandIn, source: HubSource) -> None:
    old = hub.add(NAME, {"a.txt": b"1"})
    new = hub.add(NAME, {"a.txt": b"2"}, branch="refs/pr/1")
    assert source.resolve(NAME).commit == old
    assert source.resolve(NAME, "refs/pr/1").commit == new
    assert source.resolve(NAME, old).commit == old


@pytest.mark.parametrize(
    ("name", "revision", "reason"),
    [
        ("no/repo", "main", "repo_not_found"),
        (NAME, "no", "revision_not_found"),
        (NAME, "0" * 40, "revision_not_found"),
        ("v/private", "main", "repo_not_found"),
    ],
)
def test_what_is_not_there_is_not_found(
    hub: HubStandIn, source: HubSource, name: str, revision: str, reason: str
) -> None:
    hub.add(NAME, {"a.txt": b"1"})
    hub.add("v/private", {"a.txt": b"1"}, private=True)
    with pytest.raises(NotFoundError) as caught:
        source.resolve(name, revision)
    assert caught.value.reason == reason


@pytest.mark.parametrize("revision", ["", "x" * 300, "a\nb"])
def test_what_cannot_be_a_revision_is_not_asked_for(hub: HubStandIn, source: HubSource, revision: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        source.resolve(NAME, revision)
    assert caught.value.field == "revision"
    assert hub.requests == []


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        ({"path": "../escape.json"}, "unsafe_path"),
        ({"path": "/etc/passwd"}, "unsafe_path"),
        ({"path": "a\x00b"}, "unsafe_path"),
        ({"path": "a//b"}, "unsafe_path"),
        ({"path": "a\\b"}, "unsafe_path"),
        ({"path": "CONFIG.json"}, "colliding_paths"),
        ({"path": "config.json"}, "colliding_paths"),
        ({"path": "config.json/inside"}, "colliding_paths"),
        ({"path": "a", "size": -1}, "broken_listing"),
        ({"path": "a", "size": 1 << 70}, "broken_listing"),
        ({"path": "a", "lfs": {"oid": "../../x", "size": 1}}, "broken_listing"),
        ({"path": "a", "oid": "no"}, "broken_listing"),
        ({"path": 7}, "source_protocol"),
        ({"path": "a", "size": "1"}, "source_protocol"),
    ],
)
def test_a_hostile_listing_is_refused(hub: HubStandIn, source: HubSource, listed: dict[str, Any], reason: str) -> None:
    hub.add(NAME, {"config.json": b"{}"}, listed=[{"type": "file", "size": 1, "oid": "0" * 40} | listed])
    with pytest.raises(PanopeError) as caught:
        source.resolve(NAME)
    assert caught.value.reason == reason
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("options", "reason", "after"),
    [
        ({"code": 429, "retry_after": 7}, "source_unavailable", 7.0),
        ({"code": 429, "retry_after": "inf"}, "source_unavailable", 1.0),
        ({"code": 503, "retry_after": 10**9}, "source_unavailable", 3600.0),
        ({"code": 500}, "source_unavailable", 1.0),
        ({"code": 418}, "source_protocol", None),
        ({"code": 401}, "source_unauthorized", None),
        ({"code": 403, "error_code": "GatedRepo"}, "gated", None),
    ],
)
def test_a_refusal_says_whether_to_try_again(
    hub: HubStandIn, source: HubSource, options: dict[str, Any], reason: str, after: float | None
) -> None:
    hub.add(NAME, {"a.txt": b"1"})
    for route in ("/revision/", "/tree/"):
        hub.fault("status", match=route, **options)
        with pytest.raises(PanopeError) as caught:
            source.resolve(NAME)
        assert (caught.value.reason, caught.value.retry_after_seconds) == (reason, after)


def test_a_missing_page_is_no_shorter_listing(hub: HubStandIn, source: HubSource) -> None:
    hub.page_size = 1
    hub.add(NAME, {"a.txt": b"1", "b.txt": b"2"})
    hub.fault("status", match="cursor=1", code=404)
    with pytest.raises(NotFoundError):
        source.resolve(NAME)


def test_the_next_page_is_not_looked_for_on_another_host(hub: HubStandIn) -> None:
    hub.page_size = 1
    hub.add(NAME, {"a.txt": b"1", "b.txt": b"2"})
    source = HubSource(hub.endpoint.replace("127.0.0.1", "localhost"), token="hf_secret")
    with pytest.raises(AvailabilityError) as caught:
        source.resolve(NAME)
    assert caught.value.reason == "source_protocol"
    source.close()


def test_no_hub_is_unavailable(hub: HubStandIn, source: HubSource) -> None:
    hub.close()
    with pytest.raises(AvailabilityError) as caught:
        source.resolve(NAME)
    assert caught.value.reason == "source_unavailable"


@pytest.mark.parametrize(
    "endpoint", ["", "hub", "file:///etc", "ftp://h", "http://", "https://user:pw@h", "http://h?a"]
)
def test_an_endpoint_is_an_address(endpoint: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        HubSource(endpoint)
    assert caught.value.field == "endpoint"
