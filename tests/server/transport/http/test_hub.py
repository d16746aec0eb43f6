"""The hub's routes, with the hub's real client on the other side."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

NAME = "acme/tiny"
NESTED = "zeta/nested"
SHORT = "short"
"""A name without a vendor, as `gpt2` is one."""

SCHEMA = schemathesis.openapi.from_dict(
    json.loads(files("panope_server").joinpath("transport/openapi.json").read_bytes())
)


def test_the_hubs_client_pulls_a_whole_model(hub: Any, api: Any, tmp_path: Path) -> None:
    pulled = Path(api.snapshot_download(NAME, cache_dir=tmp_path / "cache"))

    assert {path.name for path in pulled.iterdir()} == {"config.json", "model.safetensors"}
    for name in ("config.json", "model.safetensors"):
        assert (pulled / name).read_bytes() == (hub.folder / name).read_bytes()


def test_the_hubs_client_finds_what_it_pulled_intact(api: Any, tmp_path: Path) -> None:
    api.snapshot_download(NAME, cache_dir=tmp_path / "cache")

    report = api.verify_repo_checksums(NAME, cache_dir=tmp_path / "cache")

    assert (report.checked_count, report.mismatches, report.missing_paths) == (2, [], [])


def test_the_hubs_client_reads_sizes_and_hashes(hub: Any, api: Any) -> None:
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


def test_a_commit_names_the_same_files_as_main(hub: Any, api: Any) -> None:
    commit = api.model_info(NAME).sha

    assert api.model_info(NAME, revision=commit).sha == commit
    status, headers, _ = hub.request("HEAD", f"/hub/{NAME}/resolve/{commit}/config.json")
    assert (status, headers["x-repo-commit"]) == (200, commit)
    assert headers["x-linked-etag"] == headers["etag"] == f'"{hub.sha256("config.json")}"'


@pytest.mark.parametrize("revision", ["HEAD", "main", "refs/heads/main"])
def test_every_name_of_the_newest_commit_is_taken(hub: Any, api: Any, tmp_path: Path, revision: str) -> None:
    assert api.model_info(NAME, revision=revision).sha == api.model_info(NAME).sha
    pulled = api.hf_hub_download(NAME, "config.json", revision=revision, cache_dir=tmp_path)
    assert Path(pulled).read_bytes() == (hub.folder / "config.json").read_bytes()
    assert [entry.path for entry in api.list_repo_tree(NAME, revision=revision)] == ["config.json", "model.safetensors"]


def test_a_model_tells_what_clients_read(hub: Any, api: Any) -> None:
    info = api.model_info(NAME)

    assert (info.downloads, info.likes, info.private, info.gated, info.disabled) == (0, 0, False, False, False)
    assert info.tags == ["transformers", "safetensors", "bert", "feature-extraction"]
    assert info.created_at == info.last_modified
    assert (info.author, info.pipeline_tag, info.config["model_type"]) == ("acme", "feature-extraction", "bert")
    assert info.used_storage == sum(file.size for file in api.model_info(NAME, files_metadata=True).siblings)


def test_only_what_is_asked_for_is_told(hub: Any, api: Any) -> None:
    info = api.model_info(NAME, expand=["tags", "sha"])
    assert (info.tags, len(info.sha), info.siblings) == (
        ["transformers", "safetensors", "bert", "feature-extraction"],
        40,
        None,
    )
    with pytest.raises(HfHubHTTPError, match="`expand` has no `spaces` here"):
        api.model_info(NAME, expand=["spaces"])


def test_a_tree_has_folders(hub: Any, api: Any) -> None:
    def paths(**how: Any) -> list[tuple[str, str]]:
        return [(entry.path, type(entry).__name__) for entry in api.list_repo_tree(NESTED, **how)]

    file, folder = "RepoFile", "RepoFolder"
    assert paths() == [("assets", folder), ("config.json", file), ("model.safetensors", file), ("tokenizer.json", file)]
    assert paths(path_in_repo="assets") == [("assets/about.txt", file), ("assets/words", folder)]
    assert paths(path_in_repo="assets", recursive=True) == [
        *[("assets/about.txt", file), ("assets/words", folder)],
        *[("assets/words/en.txt", file), ("assets/words/fr.txt", file)],
    ]
    assert [path for path, _ in paths(recursive=True)][:5] == [
        *("assets", "assets/about.txt", "assets/words", "assets/words/en.txt", "assets/words/fr.txt"),
    ]


def test_a_tree_comes_in_pages(hub: Any) -> None:
    status, headers, body = hub.request("GET", f"/hub/api/models/{NESTED}/tree/main?recursive=true&limit=3")
    assert (status, len(json.loads(body))) == (200, 3)
    after = headers["link"].partition(";")[0].strip("<>").partition(str(hub.port))[2]
    status, headers, body = hub.request("GET", f"{after}&limit=100".replace("limit=3&", ""))
    assert (status, len(json.loads(body)), "link" in headers) == (200, 5, False)


def test_the_last_commit_of_a_file_is_told_where_it_is_asked_for(api: Any) -> None:
    entry = next(iter(api.list_repo_tree(NESTED, expand=True)))
    assert entry.last_commit.oid == api.model_info(NESTED).sha


@pytest.mark.parametrize("folder", ["none", "config.json", "asset", "assets/words/en.txt"])
def test_what_is_no_folder_has_no_tree(api: Any, folder: str) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(NESTED, folder))


def test_paths_are_looked_up_many_at_a_time(hub: Any, api: Any) -> None:
    wanted = ["assets", "tokenizer.json", "none", "assets/words/fr.txt"]

    found = api.get_paths_info(NESTED, wanted, expand=True)

    assert [entry.path for entry in found] == ["assets", "tokenizer.json", "assets/words/fr.txt"]
    assert found[1].size == found[1].lfs.size > 0
    assert found[1].last_commit.oid == api.model_info(NESTED).sha


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b'{"paths": ["config.json"]}', 200),
        ("application/x-www-form-urlencoded", b"paths=config.json", 200),
        ("application/json", b'{"paths": "config.json"}', 400),
        ("application/json", b"{}", 400),
        ("application/json", b"[", 400),
        ("application/x-www-form-urlencoded", b"paths=%ff\xff", 400),
        ("text/plain", b"paths=config.json", 415),
        ("application/json", b"[" + b" " * (1 << 20) + b"]", 413),
    ],
)
def test_paths_come_as_json_or_as_a_form(hub: Any, kind: str, body: bytes, status: int) -> None:
    told, _, answer = hub.request("POST", f"/hub/api/models/{NESTED}/paths-info/main", {"content-type": kind}, body)
    assert told == status, answer
    if status == 200:
        assert [entry["path"] for entry in json.loads(answer)] == ["config.json"]
    else:
        assert isinstance(json.loads(answer)["error"], str)


def test_a_file_is_shown_as_text_and_never_run(hub: Any) -> None:
    status, headers, body = hub.request("GET", f"/hub/{NAME}/raw/main/config.json")
    assert (status, body) == (200, (hub.folder / "config.json").read_bytes())
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert (headers["x-content-type-options"], headers["content-security-policy"]) == ("nosniff", "sandbox")
    assert "content-disposition" not in headers


def test_branches_and_commits_are_told(own_hub: Any) -> None:
    api = HfApi(endpoint=own_hub.url, token=False)
    first = api.model_info(NAME).sha
    (own_hub.folder / "tokenizer_config.json").write_text("{}")
    own_hub.registry.import_folder(own_hub.folder, NAME)
    second = api.model_info(NAME).sha

    assert first != second
    refs = api.list_repo_refs(NAME, include_pull_requests=True)
    assert [(ref.name, ref.ref, ref.target_commit) for ref in refs.branches] == [("main", "refs/heads/main", second)]
    assert (refs.tags, refs.converts, refs.pull_requests) == ([], [], [])
    assert [commit.commit_id for commit in api.list_repo_commits(NAME)] == [second, first]
    assert [commit.commit_id for commit in api.list_repo_commits(NAME, revision=first)] == [first]
    assert api.list_repo_commits(NAME, formatted=True)[0].formatted_title
    assert len(list(api.list_repo_tree(NAME, revision=first))) == 2


def test_models_are_searched_filtered_and_sorted(hub: Any, api: Any) -> None:
    def names(**how: Any) -> list[str]:
        return [model.id for model in api.list_models(**how)]

    assert names() == [NAME, SHORT, NESTED]
    assert names(search="TINY") == names(author="acme") == names(filter="bert") == [NAME]
    assert names(search="%") == names(search="_") == names(author="acm") == names(filter=["bert", "gpt2"]) == []
    assert names(pipeline_tag="feature-extraction") == names(filter=["safetensors", "feature-extraction"]) == [NAME]
    assert names(gated=True) == [] != names(gated=False)
    assert names(sort="created_at") == names(sort="last_modified") == [SHORT, NESTED, NAME]
    assert names(sort="downloads") == names(sort="likes") == names(limit=3) == [NAME, SHORT, NESTED]
    assert names(limit=1) == [NAME]


def test_a_list_of_models_tells_what_is_asked_for(hub: Any, api: Any) -> None:
    brief, full = next(iter(api.list_models())), next(iter(api.list_models(full=True, fetch_config=True)))
    assert (brief.downloads, brief.likes, brief.siblings, brief.sha) == (0, 0, None, None)
    assert [file.rfilename for file in full.siblings] == ["config.json", "model.safetensors"]
    assert (full.config["architectures"], full.sha) == (["BertModel"], api.model_info(NAME).sha)
    assert next(iter(api.list_models(expand=["author"]))).author == "acme"


def test_a_list_of_models_comes_in_pages(hub: Any) -> None:
    status, headers, body = hub.request("GET", "/hub/api/models?limit=1&search=e&author=zeta&sort=likes")
    assert (status, len(json.loads(body)), "link" in headers) == (200, 1, False)
    _, headers, body = hub.request("GET", "/hub/api/models?limit=1", {"x-forwarded-host": "hub.example:80"})
    assert headers["link"] == '<http://hub.example:80/hub/api/models?limit=1&cursor=1>; rel="next"'
    assert [model["id"] for model in hub.json("/api/models?limit=1&cursor=2")] == [NESTED]


@pytest.mark.parametrize(
    "query",
    [
        *("inference=warm", "apps=x", "num_parameters=min:1", "sort=stars", "direction=2", "limit=0", "limit=1001"),
        *("limit=x", "cursor=-1", "full=maybe", "expand=none", "search=%00", "author=" + "a" * 201, "gated=auto"),
    ],
)
def test_what_a_list_cannot_honour_is_refused_by_name(hub: Any, query: str) -> None:
    status, headers, body = hub.request("GET", f"/hub/api/models?{query}")
    assert (status, headers["x-error-code"]) == (400, "INVALID_ARGUMENT")
    assert f"`{query.partition('=')[0]}`" in json.loads(body)["error"]


@pytest.mark.parametrize(
    "path",
    [
        *("/gpt2/resolve/main/config.json", "/api/models/gpt2", "/api/models/gpt2/tree/main", "/api/models/gpt2/refs"),
        *("/api/models/gpt2/revision/main", "/api/models/gpt2/commits/main", "/gpt2/raw/main/config.json"),
        *("/api/datasets/acme/tiny", "/api/datasets/squad/tree/main", "/datasets/acme/tiny/resolve/main/a.json"),
        *("/api/spaces/acme/tiny", "/spaces/acme/tiny/resolve/main/app.py", "/api/models/acme/none/tree/main"),
        *("/acme/none/resolve/main/config.json", "/api/models/a%00b", "/api/models/" + "a" * 300),
    ],
)
def test_a_repo_that_is_not_here_is_told_as_the_hub_tells_it(hub: Any, path: str) -> None:
    status, headers, body = hub.request("GET", f"/hub{path}")
    assert (status, headers["x-error-code"]) == (404, "RepoNotFound")
    assert json.loads(body)["error"].replace("…", "?") == headers["x-error-message"]


def test_a_model_without_a_vendor_is_a_model(hub: Any, api: Any, tmp_path: Path) -> None:
    info = api.model_info(SHORT)
    assert (info.id, info.sha, api.list_repo_refs(SHORT).branches[0].name) == (SHORT, api.model_info(SHORT).sha, "main")
    assert [entry.path for entry in api.list_repo_tree(SHORT, "assets/words")] == [
        *("assets/words/en.txt", "assets/words/fr.txt"),
    ]
    assert [entry.path for entry in api.get_paths_info(SHORT, ["assets"])] == ["assets"]
    assert [commit.commit_id for commit in api.list_repo_commits(SHORT)] == [info.sha]
    text = Path(api.snapshot_download(SHORT, cache_dir=tmp_path), "assets/about.txt").read_text()
    assert json.loads(text) == {"of": "assets/about.txt"}
    for path in (f"/hub/{SHORT}/raw/main/assets/about.txt", f"/v1/model/{SHORT}/files/assets/about.txt"):
        assert hub.request("GET", path)[::2] == (200, text.encode())


@pytest.mark.parametrize("repo_type", ["dataset", "space"])
def test_the_hubs_client_finds_no_dataset_and_no_space(api: Any, repo_type: str) -> None:
    assert not api.repo_exists(NAME, repo_type=repo_type)
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info("squad", repo_type=repo_type)


def test_the_hubs_client_asks_whether_something_is_here(api: Any) -> None:
    assert api.repo_exists(NAME)
    assert not api.repo_exists("gpt2")
    assert api.revision_exists(NAME, "main")
    assert not api.revision_exists(NAME, "other")
    assert api.file_exists(NESTED, "assets/words/en.txt")
    assert not api.file_exists(NESTED, "assets/words")


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "path", [f"/api/models/{NAME}", f"/{NAME}/resolve/main/config.json", "/api/repos/create", "/x"]
)
def test_nothing_can_be_changed(hub: Any, verb: str, path: str) -> None:
    status, headers, body = hub.request(verb, f"/hub{path}", {"content-type": "application/json"}, b"{}")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert isinstance(json.loads(body)["error"], str)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/whoami-v2",
        "/acme",
        "/acme/tiny",
        "/acme/tiny/blob/main/x",
        "/a%0Ab",
        "/a%0A/resolve/main/x",
        f"/{NAME}/resolve/main/config.json%0A",
        f"/api/models/{NAME}%0A",
        f"POST /api/models/{NAME}/paths-info/main%0A",
        "POST /api/models/%2F]/paths-info/main",
    ],
)
def test_another_path_is_nothing(hub: Any, path: str) -> None:
    verb, _, path = path.rpartition(" ")
    status, _, body = hub.request(verb or "GET", f"/hub{path}")
    assert (status, json.loads(body)) == (404, {"error": "there is nothing at this path"})


@pytest.mark.slow
@pytest.mark.timeout(600)
@SCHEMA.include(path_regex="^/(hub|v1/files|v1/model)/").parametrize()
@settings(max_examples=100, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
def test_no_question_to_a_registry_is_answered_in_a_way_that_is_not_described(case: Any, hub: Any) -> None:
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    case.call_and_validate(base_url=hub.url.removesuffix("/hub"), checks=checks)
