"""What the hub's own client has downloaded is found in its cache and imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from panope_registry.ingest.discovery import FoundModel, ScanOptions, discover_models
from panope_registry.registry import Registry
from panope_registry.testing.hub import HubStandIn

MakeModel = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path, make_model: MakeModel) -> Path:
    """As `huggingface_hub` leaves it."""
    from huggingface_hub import snapshot_download

    folder = tmp_path / "hub"
    with HubStandIn() as hub:
        hub.add("acme/tiny", make_model("first"))
        hub.add("acme/tiny", make_model("second", fill=1), branch="other")
        for revision in ("main", "other"):
            snapshot_download("acme/tiny", revision=revision, cache_dir=folder, endpoint=hub.endpoint)
    return folder


def _found(cache: Path, vendor: str = "") -> FoundModel:
    (found,) = discover_models(cache, ScanOptions(vendor))
    assert found.kind == "cache"
    return found


def test_the_snapshot_of_main_is_imported_under_the_hubs_name(cache: Path, registry: Registry) -> None:
    found = _found(cache)
    main = (cache / "models--acme--tiny" / "refs" / "main").read_text()
    assert (found.name, found.task, found.problem, found.facts) == ("acme/tiny", "embed", "", {"commit": main})
    entry = registry.import_files(found.files, found.name, reasons=found.reasons)
    (variant,) = entry.variants
    assert (registry.materialize(variant.digest) / "model.safetensors").read_bytes()[-1] == 0
    assert main in entry.reasons["source"]
    assert _found(cache, "mine").name == "mine/tiny"


def test_without_main_the_newest_snapshot_is_taken(cache: Path) -> None:
    (cache / "models--acme--tiny" / "refs" / "main").write_text("../../../etc/passwd")
    assert _found(cache).facts["commit"] in {path.name for path in (cache / "models--acme--tiny/snapshots").iterdir()}


def test_a_download_that_was_broken_off_is_a_problem(cache: Path) -> None:
    for blob in (cache / "models--acme--tiny" / "blobs").iterdir():
        blob.unlink()
    assert "not whole" in _found(cache).problem


def test_files_that_lie_elsewhere_are_a_problem(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (cache / "models--acme--tiny" / "snapshots" / _found(cache).facts["commit"] / "x.json").symlink_to(
        tmp_path / "secret.json"
    )
    assert "leaves the folder" in _found(cache).problem


def test_a_model_without_a_vendor_has_its_name_alone_unless_one_is_given(cache: Path) -> None:
    (cache / "models--acme--tiny").rename(cache / "models--tiny")
    assert (_found(cache).name, _found(cache).problem) == ("tiny", "")
    assert (_found(cache, "acme").name, _found(cache, "acme").problem) == ("acme/tiny", "")
