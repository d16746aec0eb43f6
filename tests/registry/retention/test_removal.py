"""Deleting a model with its files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.models.aliases import Aliases
from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention import gc
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import RetentionReason
from panope_registry.store.store import Store
from panope_registry.tables.database import Database
from panope_registry.tables.serving_tables import runtime_instance

AddModel = Callable[..., VariantEntry]
WeightsOf = Callable[[VariantEntry], Path]


def test_a_models_own_files_go_with_it(
    retention: RetentionManager, add_model: AddModel, weights_of: WeightsOf, registry: Registry, store: Store
) -> None:
    a, b = add_model("v/a", 1, from_hub=False), add_model("v/b", 2, from_hub=False)
    view = registry.materialize(a.digest)
    removed = retention.remove_model("v/a")
    assert removed.variants == (a.digest,)
    assert removed.freed_bytes == weights_of(b).stat().st_size
    assert not weights_of(a).exists()
    assert not view.exists()
    with pytest.raises(NotFoundError):
        registry.model("v/a")
    assert (registry.materialize(b.digest) / "tokenizer.json").exists()
    retention.remove_model("v/b")
    assert [path for path in store.blobs.rglob("*") if path.is_file()] == []
    assert retention.usage().variants == ()


def test_what_another_model_offers_stays_even_in_use(
    retention: RetentionManager,
    add_model: AddModel,
    registry: Registry,
    make_model: Callable[..., Path],
    weights_of: WeightsOf,
) -> None:
    a = add_model("v/a", 1)
    registry.import_folder(make_model("same", fill=1), "v/b")
    retention.lease(a.digest, "server-1", 60)
    assert retention.remove_model("v/a").variants == ()
    assert weights_of(a).exists()
    with pytest.raises(PreconditionError):
        retention.remove_model("v/b")


def test_a_model_whose_conversion_is_in_use_stays(
    retention: RetentionManager, add_model: AddModel, registry: Registry, tmp_path: Path
) -> None:
    source = add_model("v/a", 1)
    (tmp_path / "converted").mkdir()
    (tmp_path / "converted" / "openvino_model.bin").write_bytes(b"converted")
    how = {"task": "embed", "format": "openvino", "precision": "fp16", "backend": "openvino", "engine_version": "1"}
    built = registry.add_conversion(source.digest, tmp_path / "converted", **how)
    held = retention.lease(built.digest, "server-1", 60)
    before = registry.model("v/a")
    with pytest.raises(PreconditionError, match="leased") as caught:
        retention.remove_model("v/a")
    assert caught.value.reason == "in_use"
    assert registry.model("v/a") == before
    retention.release(held)
    assert set(retention.remove_model("v/a").variants) == {source.digest, built.digest}


def test_a_model_that_an_alias_points_to_stays(
    retention: RetentionManager, add_model: AddModel, registry: Registry, database: Database
) -> None:
    add_model("v/a", 1)
    aliases = Aliases(database)
    aliases.set("prod", "v/a", principal="w", reason="", expected=None)
    with pytest.raises(PreconditionError, match="`prod`") as caught:
        retention.remove_model("v/a")
    assert caught.value.reason == "has_aliases"
    assert registry.model("v/a").name == "v/a"
    aliases.remove("prod", "w", "")
    retention.remove_model("v/a")


def test_a_model_that_a_server_has_loaded_stays_though_another_offers_the_same(
    retention: RetentionManager,
    add_model: AddModel,
    registry: Registry,
    make_model: Callable[..., Path],
    database: Database,
    clock: Callable[[], datetime],
    pass_time: Callable[..., None],
) -> None:
    a = add_model("v/a", 1)
    registry.import_folder(make_model("same", fill=1), "v/b")
    moment = clock()
    with database.write() as connection:
        connection.execute(
            insert(runtime_instance).values(
                id="i",
                server="s",
                model="v/a",
                variant_digest=a.digest,
                backend="cpu",
                device="CPU",
                host="h",
                pid=1,
                state="ready",
                started_at=moment,
                heartbeat_at=moment,
                lease_until=moment + timedelta(seconds=30),
            )
        )
    with pytest.raises(PreconditionError, match="loaded") as caught:
        retention.remove_model("v/a")
    assert caught.value.reason == "in_use"
    retention.remove_model("v/b")
    pass_time(seconds=31)
    retention.remove_model("v/a")


@pytest.mark.parametrize("name", ["v/none", "", "../../etc", "v/a'; drop table model"])
def test_a_model_that_does_not_exist_cannot_be_removed(
    name: str, retention: RetentionManager, add_model: AddModel
) -> None:
    add_model("v/a", 1)
    with pytest.raises(NotFoundError) as caught:
        retention.remove_model(name)
    assert caught.value.reason == "model_not_found"
    assert len(retention.usage().variants) == 1


def test_every_reason_to_keep_a_model_is_told_with_its_way_out() -> None:
    for reason in RetentionReason:
        told = gc._in_use("v/a", (reason,)).message
        assert told.startswith(f"model `v/a` is in use: {reason}; ")
        assert len(told.split("; ")[1]) > len("unpin it")
