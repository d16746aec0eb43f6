"""Mark and sweep."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, update

from panope_registry.download.locks import locked
from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import CollectionResult, RemovalKind
from panope_registry.store.store import Store
from panope_registry.tables.database import Database
from panope_registry.tables.job_tables import job
from panope_registry.tables.model_tables import blob, blob_location
from panope_registry.testing.forget import forget_model

AddModel = Callable[..., VariantEntry]
PassTime = Callable[..., None]
WeightsOf = Callable[[VariantEntry], Path]

NOTHING = CollectionResult((), (), ())


def _kinds(collected: CollectionResult) -> list[RemovalKind]:
    return [removal.kind for removal in collected.removed]


def _put(store: Store, content: bytes) -> Path:
    """A whole blob without a row."""
    path = store.blob_path(hashlib.sha256(content).hexdigest())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_clean_store_is_left_alone(
    retention: RetentionManager, add_model: AddModel, registry: Registry, database: Database, pass_time: PassTime
) -> None:
    view = registry.materialize(add_model("v/a", 1).digest)
    token = database.change_token()
    pass_time(days=365)
    assert retention.collect() == NOTHING
    assert view.is_dir()
    assert database.change_token() == token


def test_a_file_that_nobody_knows_goes_after_a_day(
    retention: RetentionManager, store: Store, pass_time: PassTime
) -> None:
    path = _put(store, b"left by a killed import")
    assert retention.collect() == NOTHING
    pass_time(days=1.1)
    assert _kinds(retention.collect(dry_run=True)) == [RemovalKind.ORPHAN]
    assert path.exists()
    collected = retention.collect()
    assert _kinds(collected) == [RemovalKind.ORPHAN]
    assert collected.freed_bytes == len(b"left by a killed import")
    assert not path.exists()
    assert retention.collect() == NOTHING


def test_an_old_file_that_a_writer_has_just_found_stays(
    retention: RetentionManager, store: Store, pass_time: PassTime, tmp_path: Path
) -> None:
    path = _put(store, b"left by a killed import")
    source = tmp_path / "source"
    source.write_bytes(path.read_bytes())
    pass_time(days=2)
    with store.staging() as staging:
        store.add(source, staging)
        assert retention.collect() == NOTHING
    assert _kinds(retention.collect()) == [RemovalKind.ORPHAN]


def test_other_files_in_the_blobs_folder_are_not_touched(
    retention: RetentionManager, store: Store, pass_time: PassTime
) -> None:
    path = _put(store, b"x").with_name("README")
    path.write_text("not ours")
    misplaced = path.with_name(("0" if path.parent.name[0] != "0" else "1") * 64)
    misplaced.write_text("not at its place")
    pass_time(days=2)
    retention.collect()
    assert path.exists()
    assert misplaced.exists()


def test_a_blob_that_is_gone_is_forgotten(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, database: Database, registry: Registry
) -> None:
    variant = add_model("v/a", 1)
    view = registry.materialize(variant.digest)
    weights = weights_of(variant)
    weights.unlink()
    assert retention.collect(dry_run=True).missing == (weights.name,)
    collected = retention.collect()
    assert collected.missing == (weights.name,)
    assert _kinds(collected) == [RemovalKind.CHECKOUT]
    assert not view.exists()
    with database.read() as connection:
        here = select(func.count()).select_from(blob_location).where(blob_location.c.sha256 == weights.name)
        assert connection.execute(here).scalar_one() == 0
    assert retention.collect() == NOTHING


def test_a_whole_file_whose_writer_could_not_record_it_is_recorded(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, database: Database, store: Store
) -> None:
    weights = weights_of(add_model("v/a", 1))
    with database.change() as connection:
        connection.execute(delete(blob_location).where(blob_location.c.sha256 == weights.name))
    assert retention.collect(dry_run=True).adopted == (weights.name,)
    assert not retention.usage().variants[0].is_local
    assert retention.collect() == CollectionResult((), (), (weights.name,))
    assert retention.usage().variants[0].is_local
    assert retention.collect() == NOTHING


def test_a_damaged_file_without_a_record_is_put_away(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, database: Database, store: Store
) -> None:
    weights = weights_of(add_model("v/a", 1))
    with database.change() as connection:
        connection.execute(delete(blob_location).where(blob_location.c.sha256 == weights.name))
    weights.chmod(0o644)
    weights.write_bytes(b"!" * weights.stat().st_size)
    assert retention.collect().adopted == ()
    assert not weights.exists()
    assert [path.name.partition(".")[0] for path in store.quarantine.iterdir()] == [weights.name]


def test_a_forgotten_models_files_go_and_shared_ones_stay(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, registry: Registry, database: Database
) -> None:
    a, b = add_model("v/a", 1), add_model("v/b", 2)
    views = [registry.materialize(variant.digest) for variant in (a, b)]
    forget_model(database, "v/a")
    collected = retention.collect()
    assert sorted(_kinds(collected)) == [RemovalKind.CHECKOUT, RemovalKind.UNUSED]
    assert not weights_of(a).exists()
    assert [view.exists() for view in views] == [False, True]
    assert (registry.materialize(b.digest) / "tokenizer.json").exists()
    with database.read() as connection:
        known = connection.execute(select(blob.c.sha256)).scalars().all()
    assert weights_of(a).name not in known
    assert weights_of(b).name in known


def test_a_blob_that_another_store_has_stays_known_when_it_goes_here(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, registry: Registry, database: Database
) -> None:
    weights = weights_of(add_model("v/a", 1))
    with database.change() as connection:
        there = {"sha256": weights.name, "store": "another", "state": "present", "fingerprint": ""}
        connection.execute(blob_location.insert().values(there))
    forget_model(database, "v/a")
    retention.collect()
    assert not weights.exists()
    with database.read() as connection:
        stores = select(blob_location.c.store).where(blob_location.c.sha256 == weights.name)
        assert connection.execute(stores).scalars().all() == ["another"]


def test_damaged_blobs_are_kept_for_a_month(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, store: Store, pass_time: PassTime
) -> None:
    weights = weights_of(add_model("v/a", 1))
    weights.chmod(0o644)
    weights.write_bytes(b"!" * weights.stat().st_size)
    assert retention.verify().damaged == (weights.name,)
    pass_time(days=29)
    assert retention.collect() == NOTHING
    assert retention.usage().quarantine_bytes > 0
    pass_time(days=2)
    assert _kinds(retention.collect()) == [RemovalKind.QUARANTINED]
    assert list(store.quarantine.iterdir()) == []
    assert retention.usage().quarantine_bytes == 0


def test_the_trash_of_killed_processes_is_emptied(retention: RetentionManager, store: Store) -> None:
    (store.trash / "file").write_bytes(b"x")
    (store.trash / "view").mkdir()
    (store.trash / "view" / "model.onnx").write_bytes(b"x")
    assert retention.usage().trash_bytes == 2
    retention.collect(dry_run=True)
    assert retention.usage().trash_bytes == 2
    retention.collect()
    assert list(store.trash.iterdir()) == []


def test_staging_folders_of_killed_processes_go_and_those_of_living_ones_stay(
    retention: RetentionManager, store: Store
) -> None:
    dead = store.folder / "work" / uuid.uuid4().hex
    dead.mkdir()
    dead.with_name(f"{dead.name}.lock").touch()
    with store.staging() as living:
        retention.collect()
        assert living.exists()
    assert not dead.exists()


def test_old_rows_of_quarantine_go_with_the_files(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, database: Database, pass_time: PassTime
) -> None:
    weights = weights_of(add_model("v/a", 1))
    weights.chmod(0o644)
    weights.write_bytes(b"")
    retention.verify()
    pass_time(days=31)
    retention.collect()
    with database.read() as connection:
        states = select(blob_location.c.state).where(blob_location.c.sha256 == weights.name)
        assert connection.execute(states).scalars().all() == []


def test_a_disk_that_lost_a_whole_folder_is_told_apart_from_an_empty_store(
    retention: RetentionManager, add_model: AddModel, store: Store, database: Database
) -> None:
    variant = add_model("v/a", 1)
    for file in variant.files:
        store.blob_path(file.sha256).unlink()
    assert {file.sha256 for file in variant.files} <= set(retention.collect().missing)
    assert retention.usage().variants == ()
    with database.read() as connection:
        assert connection.execute(select(blob.c.sha256)).first() is not None


@pytest.mark.parametrize("status", ["waiting", "queued", "running"])
def test_a_blob_that_an_open_job_names_stays(
    status: str,
    retention: RetentionManager,
    store: Store,
    database: Database,
    pass_time: PassTime,
    enqueue: Callable[..., None],
) -> None:
    path = _put(store, b"downloaded")
    enqueue({"files": [{"sha256": path.name}]}, status=status)
    pass_time(days=2)
    assert retention.collect() == NOTHING
    with database.write() as connection:
        done = {"status": "succeeded", "lease_until": None}
        connection.execute(update(job).values(done))
    assert _kinds(retention.collect()) == [RemovalKind.ORPHAN]


def _begin_download(store: Store) -> Path:
    part = store.downloads / f"{'ab' * 32}.part"
    part.write_bytes(b"the beginning")
    return part


def test_the_beginning_of_a_download_that_nobody_goes_on_with_goes_after_a_week(
    retention: RetentionManager, store: Store, pass_time: PassTime
) -> None:
    part = _begin_download(store)
    pass_time(days=6)
    assert retention.collect() == NOTHING
    pass_time(days=2)
    assert _kinds(retention.collect(dry_run=True)) == [RemovalKind.PARTIAL]
    assert part.exists()
    collected = retention.collect()
    assert [(removal.name, removal.size_bytes) for removal in collected.removed] == [(part.stem, 13)]
    assert not part.exists()
    assert retention.collect() == NOTHING


def test_a_download_that_is_going_on_stays_however_old_its_beginning_is(
    retention: RetentionManager, store: Store, pass_time: PassTime
) -> None:
    part = _begin_download(store)
    pass_time(days=30)
    with locked(part.with_suffix(".lock"), lambda: None):
        assert retention.collect() == NOTHING
        assert part.exists()
