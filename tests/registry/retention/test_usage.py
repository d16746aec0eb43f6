"""What the store takes: every byte once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Recovery
from panope_registry.store.store import Store

AddModel = Callable[..., VariantEntry]
WeightsOf = Callable[[VariantEntry], Path]


def test_shared_files_count_once(retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf) -> None:
    a = add_model("v/a", 1)
    alone = retention.usage()
    assert alone.blob_bytes >= a.size_bytes
    b = add_model("v/b", 2)
    both = retention.usage()
    assert both.blob_bytes == alone.blob_bytes + weights_of(b).stat().st_size
    assert [variant.own_bytes for variant in both.variants] == [weights_of(a).stat().st_size] * 2
    assert sum(variant.size_bytes for variant in both.variants) > both.blob_bytes


def test_views_take_nothing_where_files_can_have_second_names(
    retention: RetentionManager, add_model: AddModel, registry: Registry
) -> None:
    variant = add_model("v/a", 1)
    before = retention.usage()
    view = registry.materialize(variant.digest)
    assert retention.usage().total_bytes == before.total_bytes
    (view / "copy").write_bytes(b"123")
    assert retention.usage().checkout_bytes == 3


def test_every_part_of_the_store_is_counted(retention: RetentionManager, store: Store) -> None:
    empty = retention.usage()
    with store.staging() as staging:
        (staging / "download").write_bytes(b"1234")
        (store.quarantine / "damaged").write_bytes(b"12")
        (store.trash / "gone").write_bytes(b"1")
        usage = retention.usage()
    assert usage.partial_bytes == empty.partial_bytes + 4
    assert usage.quarantine_bytes == 2
    assert usage.trash_bytes == 1
    assert usage.total_bytes == empty.total_bytes + 7
    assert usage.free_bytes > 0


def test_a_variant_says_who_offers_it_and_how_it_would_come_back(
    retention: RetentionManager,
    add_model: AddModel,
    registry: Registry,
    make_model: Callable[..., Path],
    tmp_path: Path,
) -> None:
    hub = add_model("v/hub", 1)
    registry.import_folder(make_model("same", fill=1), "v/same")
    mine = add_model("v/mine", 2, from_hub=False)
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "openvino_model.bin").write_bytes(b"converted")
    how = {"task": "embed", "format": "openvino", "precision": "fp16", "backend": "openvino", "engine_version": "1"}
    built = registry.add_conversion(mine.digest, tmp_path / "converted", **how)
    found = {variant.digest: variant for variant in retention.usage().variants}
    assert found[hub.digest].models == ("v/hub", "v/same")
    assert found[hub.digest].recovery is Recovery.DOWNLOAD
    assert found[mine.digest].recovery is Recovery.NONE
    assert found[built.digest].models == ("v/mine",)
    assert found[built.digest].recovery is Recovery.BUILD
    assert (found[built.digest].format, found[built.digest].precision) == ("openvino", "fp16")
