"""Registering and pulling models, and their files, through Envoy."""

from __future__ import annotations

from pathlib import Path

import pytest
from rest_doubles.registry import WITHOUT_VENDOR

from panope_registry.job_handlers.requests import BuildRequest, DownloadRequest, SyncRequest


def test_the_documented_body_registers_a_model(edge):
    reply = edge.post(
        "/v1/models/register",
        {
            "model_vendor": "Wan-AI",
            "model_name": "Wan2.1-T2V-1.3B",
            "source": {"provider": "huggingface", "repo_id": "Wan-AI/Wan2.1-T2V-1.3B", "revision": "main"},
            "task_hints": ["text-to-video"],
            "preferred_format": "gguf",
            "quantization_targets": ["q4_k_m", "q5_k_m"],
        },
    )
    assert (reply.status, reply.json["job"]["kind"]) == (202, "repo_sync"), "accepted; the job tells the end"
    assert "x-panope-accepted" not in reply.headers
    request = SyncRequest(
        "Wan-AI/Wan2.1-T2V-1.3B", "main", ("text-to-video",), "gguf", quantization_targets=("q4_k_m", "q5_k_m")
    )
    assert edge.acquisition.asked == [(request, "rest")]


@pytest.mark.parametrize(
    "body", [{"source": {"repo_id": "acme/new"}}, {"model_vendor": "acme", "model_name": "new"}], ids=["source", "name"]
)
def test_the_name_or_the_source_alone_is_enough(edge, body):
    assert edge.post("/v1/models/register", body).status == 202
    assert edge.acquisition.asked == [(SyncRequest("acme/new"), "rest")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "source"),
        ({"model_vendor": "acme"}, "model_name"),
        ({"model_name": "new"}, "model_vendor"),
        ({"source": {"repo_id": "acme/new"}, "quantization_targets": "q4_k_m"}, "quantization_targets"),
        ({"source": {"repo_id": "acme/new"}, "model_vendor": "acme", "model_name": "old"}, "source.repo_id"),
        ({"source": {"repo_id": "../new"}}, "source.repo_id"),
        ({"model_vendor": "acme", "model_name": "../new"}, "model_name"),
        ({"source": {"repo_id": "acme/new", "provider": "ftp"}}, "source.provider"),
        ({"source": {"repo_id": "acme/new", "token": "x"}}, "source.token"),
        ({"source": {"repo_id": "acme/new"}, "task_hints": "embed"}, "task_hints"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(edge, body, field):
    reply = edge.post("/v1/models/register", body)
    assert (reply.status, reply.error["param"]) == (400, field), reply.error
    assert edge.acquisition.asked == []


def test_a_model_is_pulled(edge):
    body = {"model": "acme/new", "revision": "v1", "format": "onnx", "precision": "fp16"}
    assert edge.post("/v1/models/pull", body).json["job"]["kind"] == "artifact_download"
    assert edge.acquisition.asked == [(DownloadRequest("acme/new", "v1", "onnx", "fp16"), "rest")]


@pytest.mark.parametrize("path", ["/v1/models/acme/embedder/files", "/v1/model/acme/embedder/files"])
def test_a_models_files_are_listed_whether_they_are_here_or_not(edge, path):
    reply = edge.get(path)
    assert reply.json == {
        "model": "acme/embedder",
        "files": [
            {"path": "config.json", "size_bytes": 2, "sha256": "ab" * 32, "kind": "config", "is_local": True},
            {"path": "x.bin", "size_bytes": 9, "sha256": None, "kind": "unsafe", "is_local": False},
        ],
    }
    assert edge.get("/v1/models/acme/other/files").error["code"] == "model_not_found"


@pytest.mark.parametrize("path", ["/v1/models/acme/embedder/variants", "/v1/models/acme%2Fembedder/variants"])
def test_another_variant_is_asked_for(edge, path):
    reply = edge.post(path, {"format": "openvino", "precision": "int8"})
    assert (reply.status, reply.json["job"]["kind"]) == (202, "quantize")
    assert edge.acquisition.asked == [(BuildRequest("acme/embedder", "openvino", "int8"), "rest")]


@pytest.mark.parametrize(
    ("body", "field"), [({}, "format"), ({"format": "openvino", "bits": 8}, "bits"), ({"format": 1}, "format")]
)
def test_a_variant_that_cannot_be_asked_for_is_refused_by_name(edge, body, field):
    reply = edge.post("/v1/models/acme/embedder/variants", body)
    assert (reply.status, reply.error["param"]) == (400, field)


@pytest.mark.parametrize("path", ["/v1/models/acme/embedder", "/v1/models/acme%2Fembedder"])
def test_a_model_is_told_how_long_to_stay_loaded(edge, path):
    for written, told in (("1h30m", 5400.0), (-1, -1.0), (0, 0.0), ("", None)):
        assert edge.request("PATCH", path, {"keep_alive": written}).json["default_keep_alive_seconds"] == told
    assert [seconds for _, _, seconds in edge.model_admin.asked] == ["5400.0", "inf", "0.0", "None"]


@pytest.mark.parametrize(
    "body", [{}, {"keep_alive": "soon"}, {"keep_alive": None}, {"keep_alive": "1h", "task": "embed"}]
)
def test_a_change_that_cannot_be_made_is_refused_by_name(edge, body):
    reply = edge.request("PATCH", "/v1/models/acme/embedder", body)
    assert (reply.status, reply.error["param"]) == (400, "task" if "task" in body else "keep_alive")
    assert edge.model_admin.asked == []


def test_a_registration_says_how_long_its_model_stays_loaded(edge):
    edge.post("/v1/models/register", {"source": {"repo_id": "acme/new"}, "keep_alive": "10m"})
    assert edge.acquisition.asked == [(SyncRequest("acme/new", keep_alive_seconds=600.0), "rest")]
    reply = edge.post("/v1/models/register", {"source": {"repo_id": "acme/new"}, "keep_alive": "soon"})
    assert (reply.status, reply.error["param"]) == (400, "keep_alive")


@pytest.mark.parametrize("path", ["/v1/models/acme/embedder/pin", "/v1/models/acme%2Fembedder/pin"])
def test_a_model_is_pinned_and_unpinned(edge, path):
    pinned = edge.request("PUT", path, {"variant": "abababab", "reason": "demo"})
    assert pinned.json["variants"][0]["pin"] == {
        "principal": "rest",
        "reason": "demo",
        "created_at": "2026-01-02T00:00:00Z",
    }
    assert edge.request("DELETE", f"{path}?variant=abababab").json["name"] == "acme/embedder"
    assert edge.model_admin.asked == [
        ("pin", "acme/embedder", "abababab", "rest", "demo"),
        ("unpin", "acme/embedder", "abababab"),
    ]


@pytest.mark.parametrize("path", ["/v1/models/acme/embedder", "/v1/models/acme%2Fembedder"])
def test_a_model_is_deleted_and_what_went_with_it_told(edge, path):
    reply = edge.request("DELETE", path)
    assert reply.json == {
        "id": "acme/embedder",
        "object": "model",
        "deleted": True,
        "variant_digests": ["ab" * 32],
        "freed_bytes": 1 << 33,
    }
    assert edge.get("/v1/models/acme/embedder").status == 404


def test_a_model_that_is_in_use_is_not_deleted_and_the_reason_told(edge, failures):
    edge.model_admin.failure = failures["in_use"]
    reply = edge.request("DELETE", "/v1/models/acme/embedder")
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "in_use", "model")
    assert edge.get("/v1/models/acme/embedder").status == 200


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("prefix=acme/", ["acme/embedder", "acme/generator", "acme/tensors"]),
        ("task=embed", ["acme/embedder"]),
        ("format=openvino&prefix=acme/t", ["acme/tensors"]),
        ("format=gguf", []),
        ("loaded=false", []),
        ("loaded=true&limit=1", ["acme/embedder"]),
        ("prefix=acme&limit=1&after=acme/generator", ["acme/tensors"]),
    ],
)
def test_models_are_listed_by_what_the_query_asks_for(edge, query, names):
    reply = edge.get(f"/v1/models?{query}").json
    assert [model["id"] for model in reply["data"]] == names
    assert reply["has_more"] is (query == "loaded=true&limit=1")


@pytest.mark.parametrize("query", ["loaded=yes", "limit=-1", "limit=1001", "limit=x", "formats=gguf"])
def test_a_query_that_cannot_be_honoured_is_refused_by_name(edge, query):
    reply = edge.get(f"/v1/models?{query}")
    assert (reply.status, reply.error["param"]) == (400, query.partition("=")[0])


def test_a_file_passes_the_edge_whole_and_in_ranges(edge):
    path, content = f"/v1/files/{edge.files.sha256}", edge.files.path.read_bytes()
    whole = edge.get(path)
    assert (whole.status, whole.body, whole.headers["etag"]) == (200, content, f'"{edge.files.sha256}"')
    part = edge.get(path, {"range": "bytes=1000000-"})
    assert (part.status, part.body) == (206, content[1000000:])
    head = edge.request("HEAD", path)
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(content)), b"")


@pytest.mark.parametrize("model", ["acme/embedder", "acme%2Fembedder", *WITHOUT_VENDOR, "embedder%3Alatest"])
def test_a_file_is_read_by_its_model_and_path(edge, model):
    path, content = f"/v1/model/{model}/files/onnx/model.onnx", edge.files.path.read_bytes()
    whole = edge.get(path)
    assert (whole.status, whole.body, whole.headers["etag"]) == (200, content, f'"{edge.files.sha256}"')
    part = edge.get(path, {"range": "bytes=1000000-"})
    assert (part.status, part.body) == (206, content[1000000:])
    assert edge.get(path, {"if-none-match": whole.headers["etag"]}).status == 304
    for other in (
        f"/v1/model/{model}/files/none.bin",
        "/v1/model/acme/none/files/a",
        "/v1/model/none/files/a",
        f"/v1/model/{model}/files/../x",
    ):
        assert edge.get(other).status == 404


def test_the_hubs_client_pulls_through_the_edge(edge, tmp_path):
    from huggingface_hub import HfApi

    pulled = HfApi(endpoint=f"{edge.url}/hub", token=False).snapshot_download("acme/embedder", cache_dir=tmp_path)
    assert Path(pulled, "onnx/model.onnx").read_bytes() == edge.files.path.read_bytes()


def test_the_hubs_errors_pass_the_edge_with_their_code(edge):
    reply = edge.get("/hub/api/models/acme/other")
    assert (reply.status, reply.headers["x-error-code"]) == (404, "RepoNotFound")
    assert reply.json == {"error": "there is no such model"} == {"error": reply.headers["x-error-message"]}


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/" + "0" * 64,
        "/hub/acme/embedder/resolve/main/onnx/model.onnx",
        "/v1/model/acme/embedder/files/onnx/model.onnx",
        "/v1/model/embedder/files/onnx/model.onnx",
    ],
)
def test_files_can_only_be_read(edge, path):
    reply = edge.post(path, {})
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
