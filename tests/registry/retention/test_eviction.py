"""Making room: who goes, in which order, and who never does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from panope_backends.errors import DataLossError, InvalidInputError, NotFoundError, PanopeError, PreconditionError
from panope_registry.job_handlers.requests import enqueue_share
from panope_registry.jobs import Jobs
from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Quota, Recovery, RemovalKind, RetentionReason
from panope_registry.store.store import Store
from panope_registry.tables.columns import now
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob_location
from panope_registry.tables.serving_tables import runtime_instance

AddModel = Callable[..., VariantEntry]
MakeRetention = Callable[..., RetentionManager]
PassTime = Callable[..., None]
WeightsOf = Callable[[VariantEntry], Path]


@pytest.fixture
def three(add_model: AddModel, retention: RetentionManager, pass_time: PassTime) -> list[VariantEntry]:
    """Three models of one size, last used in the order b, c, a."""
    found = {name: add_model(f"v/{name}", fill) for fill, name in enumerate("abc")}
    for name in "bca":
        pass_time(minutes=5)
        retention.touch(found[name].digest)
    return list(found.values())


def _without(make_retention: MakeRetention, variants: int, weights: Path) -> RetentionManager:
    """A manager whose quota is by the weights of so many variants too small."""
    return make_retention(make_retention().usage().total_bytes - variants * weights.stat().st_size)


def test_the_least_recently_used_goes_first_and_no_more_than_must(
    make_retention: MakeRetention, three: list[VariantEntry], weights_of: WeightsOf, store: Store
) -> None:
    a, b, c = three
    one = _without(make_retention, 1, weights_of(a))
    assert one.evict(dry_run=True).variants == (b.digest,)
    assert all(weights_of(variant).exists() for variant in three)
    evicted = one.evict()
    assert evicted.variants == (b.digest,)
    assert [removal.kind for removal in evicted.removed] == [RemovalKind.EVICTED]
    assert evicted.short_bytes == 0
    assert [weights_of(variant).exists() for variant in three] == [True, False, True]
    assert list(store.trash.iterdir()) == []
    assert one.evict() == one.evict(dry_run=True)
    assert one.evict(needed_bytes=1).variants == (c.digest,)


def test_room_is_made_down_to_the_low_water_mark(
    make_retention: MakeRetention, three: list[VariantEntry], weights_of: WeightsOf
) -> None:
    total = make_retention().usage().total_bytes
    assert make_retention(total, low_water=0.01).evict().variants == ()
    assert len(make_retention(total, low_water=0.01).evict(1).variants) == 3


def test_room_on_the_disk_is_kept(
    database: Database, store: Store, three: list[VariantEntry], weights_of: WeightsOf
) -> None:
    enough = RetentionManager(database, store, quota=Quota(free_floor_bytes=0))
    assert enough.evict(needed_bytes=1).variants == ()
    free = enough.usage().free_bytes
    evicted = RetentionManager(database, store, quota=Quota(free_floor_bytes=free * 2)).evict(dry_run=True)
    assert len(evicted.variants) == 3
    assert evicted.short_bytes > 0


def test_an_evicted_variant_stays_registered_with_its_small_files(
    make_retention: MakeRetention, three: list[VariantEntry], weights_of: WeightsOf, registry: Registry, store: Store
) -> None:
    b = three[1]
    view = registry.materialize(b.digest)
    _without(make_retention, 1, weights_of(b)).evict()
    assert not view.exists()
    assert registry.model("v/b").variants[0].digest == b.digest
    assert [file.path for file in b.files if not store.blob_path(file.sha256).exists()] == ["model.safetensors"]
    with pytest.raises(PanopeError):
        registry.materialize(b.digest)
    assert [variant.is_local for variant in make_retention().usage().variants if variant.digest == b.digest] == [False]


def test_an_evicted_variant_that_comes_again_is_whole(
    retention: RetentionManager, add_model: AddModel, registry: Registry, make_model: Callable[..., Path]
) -> None:
    variant = add_model("v/a", 1, from_hub=False)
    retention.evict(variants=[variant.digest])
    registry.import_folder(make_model("again", fill=1), "v/a")
    assert (registry.materialize(variant.digest) / "model.safetensors").exists()
    assert retention.lease(variant.digest, "server-1", 60)


@pytest.fixture
def keep(
    retention: RetentionManager, database: Database, enqueue: Callable[..., None]
) -> Mapping[RetentionReason, Callable[[VariantEntry], object]]:
    """How a variant of `v/b` comes to be kept for each reason."""
    return {
        RetentionReason.LEASED: lambda variant: retention.lease(variant.digest, "server-1", 3600),
        RetentionReason.PINNED: lambda variant: retention.pin(variant.digest, principal="alice"),
        RetentionReason.LOADED: lambda variant: _load(database, variant),
        RetentionReason.JOB: lambda _variant: enqueue({"wanted": {"model": "v/b"}}),
    }


def test_a_share_that_waits_keeps_nothing(
    make_retention: MakeRetention, three: list[VariantEntry], database: Database, store: Store
) -> None:
    enqueue_share(Jobs(database), three[1].digest, store=store.id)
    assert len(make_retention(1).evict().variants) == 3


def _load(database: Database, variant: VariantEntry) -> None:
    values = dict.fromkeys(["server", "backend", "device", "host"], "x")
    moments = {"started_at": now(), "heartbeat_at": now(), "lease_until": now() + timedelta(hours=9)}
    named = {"id": "i1", "model": "v/b", "variant_digest": variant.digest, "pid": 1, "state": "ready"}
    with database.write() as connection:
        connection.execute(insert(runtime_instance).values(values | moments | named))


@pytest.mark.parametrize("reason", list(RetentionReason))
def test_what_is_in_use_never_goes(
    reason: RetentionReason,
    make_retention: MakeRetention,
    three: list[VariantEntry],
    weights_of: WeightsOf,
    keep: Mapping[RetentionReason, Callable[[VariantEntry], object]],
    registry: Registry,
) -> None:
    b = three[1]
    keep[reason](b)
    retention = make_retention(1)
    evicted = retention.evict()
    assert b.digest not in evicted.variants
    assert len(evicted.variants) == 2
    assert evicted.short_bytes > 0
    assert weights_of(b).exists()
    with pytest.raises(PreconditionError, match=reason.value) as caught:
        retention.evict(variants=[b.digest])
    assert caught.value.reason == "in_use"
    with pytest.raises(PreconditionError, match=reason.value):
        retention.remove_model("v/b")
    assert registry.materialize(b.digest).is_dir()


def test_the_only_copy_of_what_was_imported_here_goes_only_when_it_is_named(
    make_retention: MakeRetention, add_model: AddModel, weights_of: WeightsOf, registry: Registry
) -> None:
    variant = add_model("v/mine", 1, from_hub=False)
    evicted = make_retention(1).evict()
    assert evicted.variants == ()
    assert weights_of(variant).exists()
    assert make_retention().evict(variants=[variant.digest], dry_run=True).variants == (variant.digest,)
    assert weights_of(variant).exists()
    assert make_retention().evict(variants=[variant.digest]).variants == (variant.digest,)
    assert not weights_of(variant).exists()
    with pytest.raises((DataLossError, PreconditionError)):
        registry.materialize(variant.digest)


def _convert(registry: Registry, source: VariantEntry, folder: Path) -> VariantEntry:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"converted")
    how = {"task": "embed", "format": "openvino", "precision": "fp16", "backend": "openvino", "engine_version": "1"}
    return registry.add_conversion(source.digest, folder, **how)


def test_what_was_built_here_goes_after_what_can_be_downloaded_and_only_if_another_store_has_it(
    make_retention: MakeRetention, three: list[VariantEntry], registry: Registry, database: Database, tmp_path: Path
) -> None:
    built = _convert(registry, three[0], tmp_path / "converted")
    recovery = {variant.digest: variant.recovery for variant in make_retention().usage().variants}
    assert recovery[built.digest] is Recovery.BUILD
    _copy_elsewhere(database, built)
    usage = make_retention().usage()
    assert {variant.digest: variant.recovery for variant in usage.variants}[built.digest] is Recovery.COPY
    retention = make_retention(usage.total_bytes)
    for _ in three:
        assert built.digest not in retention.evict(needed_bytes=1).variants
        retention = make_retention(make_retention().usage().total_bytes)
    assert retention.evict(needed_bytes=1).variants == (built.digest,)


def _copy_elsewhere(database: Database, variant: VariantEntry) -> None:
    with database.change() as connection:
        for file in variant.files:
            values = {"sha256": file.sha256, "store": "another", "state": "present", "fingerprint": ""}
            connection.execute(insert(blob_location).values(values | {"verified_at": now()}))


def test_the_last_copy_of_all_stores_of_what_cannot_be_made_again_stays(
    make_retention: MakeRetention, add_model: AddModel, registry: Registry, database: Database, tmp_path: Path
) -> None:
    source = add_model("v/source", 9, from_hub=False)
    built = _convert(registry, source, tmp_path / "converted")
    make_retention().evict(variants=[source.digest])
    _copy_elsewhere(database, built)
    with database.change() as connection:
        connection.execute(update(blob_location).where(blob_location.c.store == "another").values(state="quarantined"))
    assert built.digest not in make_retention(1).evict().variants


def test_weights_that_two_variants_share_go_when_neither_is_needed(
    make_retention: MakeRetention,
    registry: Registry,
    make_model: Callable[..., Path],
    add_model: AddModel,
    weights_of: WeightsOf,
) -> None:
    a = add_model("v/a", 1)
    other = make_model("other", fill=1, files={"tokenizer.json": '{"other": true}'})
    (b,) = registry.import_folder(other, "v/b").variants
    assert weights_of(a) == weights_of(b)
    retention = make_retention()
    own = {variant.digest: variant.own_bytes for variant in retention.usage().variants}
    assert own == {a.digest: 0, b.digest: 0}
    retention.pin(b.digest, principal="alice")
    assert retention.evict(variants=[a.digest]).variants == ()
    assert make_retention(1).evict().variants == ()
    assert weights_of(a).exists()
    retention.unpin(b.digest)
    assert set(make_retention(1).evict().variants) == {a.digest, b.digest}
    assert not weights_of(a).exists()


def test_a_blob_that_a_writer_is_about_to_record_stays(
    make_retention: MakeRetention, add_model: AddModel, weights_of: WeightsOf, store: Store
) -> None:
    variant = add_model("v/a", 1)
    with store.staging() as staging:
        blob = store.add(weights_of(variant), staging)
        assert make_retention(1).evict().variants == ()
        assert store.blob_path(blob.sha256).exists()
    assert make_retention(1).evict().variants == (variant.digest,)


def test_a_writer_that_comes_after_an_eviction_copies_the_blob_in(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, store: Store, tmp_path: Path
) -> None:
    variant = add_model("v/a", 1)
    source = tmp_path / "weights"
    source.write_bytes(weights_of(variant).read_bytes())
    with store.staging() as staging:
        retention.evict(variants=[variant.digest])
        blob = store.add(source, staging)
        assert store.blob_path(blob.sha256).read_bytes() == source.read_bytes()


def test_naming_a_variant_that_does_not_exist_evicts_nothing(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf
) -> None:
    variant = add_model("v/a", 1)
    with pytest.raises(NotFoundError):
        retention.evict(variants=[variant.digest, "0" * 64])
    assert weights_of(variant).exists()


@pytest.mark.parametrize("wrong", [{"max_bytes": 0}, {"free_floor_bytes": -1}, {"low_water": 0}, {"low_water": 1.1}])
def test_a_quota_out_of_its_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Quota(**wrong)
    assert caught.value.field == next(iter(wrong))
