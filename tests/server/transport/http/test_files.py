"""The store's files over HTTP, by sha256 and by model and path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from panope_registry.session import RegistrySession

NAME = "acme/tiny"


def test_a_file_is_served_by_its_sha256_whole_and_in_ranges(hub: Any) -> None:
    path, whole = f"/v1/files/{hub.sha256('model.safetensors')}", (hub.folder / "model.safetensors").read_bytes()

    status, headers, body = hub.request("GET", path)
    assert (status, body, headers["content-length"]) == (200, whole, str(len(whole)))
    status, headers, body = hub.request("GET", path, {"range": "bytes=100-199"})
    assert (status, body, headers["content-range"]) == (206, whole[100:200], f"bytes 100-199/{len(whole)}")
    status, _, body = hub.request("GET", path, {"range": "bytes=-50"})
    assert (status, body) == (206, whole[-50:])
    status, headers, _ = hub.request("GET", path, {"range": f"bytes={len(whole)}-"})
    assert (status, headers["content-range"]) == (416, f"bytes */{len(whole)}")


def test_a_range_of_other_bytes_than_the_caller_has_is_answered_with_the_whole_file(hub: Any) -> None:
    path = f"/v1/files/{hub.sha256('config.json')}"
    status, _, body = hub.request("GET", path, {"range": "bytes=5-", "if-range": f'"{"0" * 64}"'})
    assert (status, body) == (200, (hub.folder / "config.json").read_bytes())


def test_a_caller_that_has_the_file_is_told_so(hub: Any) -> None:
    sha256 = hub.sha256("config.json")
    for known in (f'"{sha256}"', f'W/"{sha256}"', f'"other", W/"{sha256}"', "*"):
        status, headers, body = hub.request("GET", f"/v1/files/{sha256}", {"if-none-match": known})
        assert (status, headers["etag"], body) == (304, f'"{sha256}"', b"")
    assert hub.request("GET", f"/v1/files/{sha256}", {"if-none-match": '"other"'})[0] == 200


def test_what_a_repo_brought_is_never_run_by_a_browser(hub: Any) -> None:
    _, headers, _ = hub.request("GET", f"/v1/files/{hub.sha256('config.json')}")
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("sha256", ["0" * 64, "0" * 63, "A" * 64, "..%2f..%2fregistry.sqlite3", "%00"])
def test_what_is_no_sha256_of_this_store_is_not_found(hub: Any, sha256: str) -> None:
    status, _, body = hub.request("GET", f"/v1/files/{sha256}")
    assert (status, list(json.loads(body)["error"])) == (404, ["message", "type", "param", "code"])


@pytest.mark.parametrize("path", ["../config.json", "%2e%2e/config.json", "/etc/passwd", "a/../../config.json"])
def test_a_path_that_leaves_the_model_is_not_found(hub: Any, path: str) -> None:
    assert hub.request("GET", f"/hub/{NAME}/resolve/main/{path}")[0] == 404


def test_a_damaged_file_is_not_served_and_put_away(own_hub: Any) -> None:
    blob = own_hub.blob("model.safetensors")
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)

    status, _, body = own_hub.request("GET", f"/v1/files/{blob.name}")

    assert (status, json.loads(body)["error"]["code"]) == (500, "data_loss")
    assert not blob.exists()
    assert own_hub.request("GET", f"/v1/files/{blob.name}")[0] == 404


def test_only_reading_is_offered(hub: Any) -> None:
    for verb in ("POST", "PUT", "DELETE"):
        assert hub.request(verb, f"/v1/files/{hub.sha256('config.json')}")[0] == 405


@pytest.mark.parametrize("name", ["prod", "prod:latest", "stage/one"])
def test_an_alias_brings_the_files_of_its_model(own_hub: Any, name: str) -> None:
    with RegistrySession.open(own_hub.home / "registry.sqlite3", own_hub.home) as session:
        session.aliases.set(name, NAME, expected="", principal="ada", reason="")
        revision = session.published_files.revision(name)
    here = [file.path for file in revision.files if file.is_local]
    assert (revision.name, here) == (NAME, ["config.json", "model.safetensors"])
