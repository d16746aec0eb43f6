"""Processes that are killed while they remove files: what is left can be used, and the rest is cleaned up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import select

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.registry import Registry, VariantEntry
from panope_registry.retention.retention import RetentionManager
from panope_registry.store.store import Store
from panope_registry.tables.database import Database
from panope_registry.tables.model_tables import blob_location
from panope_registry.testing.forget import forget_model

AddModel = Callable[..., VariantEntry]
WeightsOf = Callable[[VariantEntry], Path]


@contextmanager
def _kill_at(url: str, home: Path, action: str, argument: str) -> Iterator[Callable[[int], bool]]:
    """Runs the action in a process that is killed at a step; tells whether it was."""
    command = [sys.executable, str(Path(__file__).parent / "kill_program.py"), url, str(home), action, argument]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def kill(step: int) -> bool:
            print(step, file=process.stdin, flush=True)
            answer = process.stdout.readline().strip()
            assert answer in ("killed", "finished")
            return answer == "killed"

        yield kill
        process.stdin.close()


def _assert_consistent(database: Database, store: Store) -> None:
    """No row tells of a blob that is gone."""
    with database.read() as connection:
        here = connection.execute(select(blob_location.c.sha256).where(blob_location.c.state == "present")).scalars()
        assert [sha256 for sha256 in here if not store.blob_path(sha256).exists()] == []


def test_an_eviction_killed_at_any_step_leaves_a_variant_whole_or_not_here(
    database_url: str,
    home: Path,
    registry: Registry,
    retention: RetentionManager,
    add_model: AddModel,
    make_model: Callable[..., Path],
    database: Database,
    store: Store,
) -> None:
    kept = add_model("v/kept", 1)
    variant = add_model("v/a", 2, from_hub=False)
    registry.materialize(variant.digest)
    outcomes = []
    with _kill_at(database_url, home, "evict", variant.digest) as kill_at:
        for step in range(1, 200):
            killed = kill_at(step)
            _assert_consistent(database, store)
            try:
                retention.release(retention.lease(variant.digest, "test", 60))
            except PreconditionError:
                outcomes.append("gone")
                retention.collect()
                assert list(store.trash.iterdir()) == []
                registry.import_folder(make_model("again", fill=2), "v/a")
            else:
                outcomes.append("whole")
            registry.materialize(variant.digest)
            registry.materialize(kept.digest)
            if not killed:
                break
    assert len(outcomes) > 10, "the steps were not counted"
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {"whole", "gone"}


def test_a_model_whose_removal_is_killed_is_there_or_not_and_its_files_go_in_the_end(
    database_url: str,
    home: Path,
    registry: Registry,
    retention: RetentionManager,
    add_model: AddModel,
    make_model: Callable[..., Path],
    weights_of: WeightsOf,
    database: Database,
    store: Store,
) -> None:
    kept = add_model("v/kept", 1)
    variant = add_model("v/a", 2, from_hub=False)
    outcomes = []
    with (
        _kill_at(database_url, home, "remove", "v/a") as kill_at,
        _kill_at(database_url, home, "collect", "") as collect,
    ):
        for step in range(1, 200):
            killed = kill_at(step)
            _assert_consistent(database, store)
            try:
                registry.model("v/a")
            except NotFoundError:
                outcomes.append("gone")
                assert not collect(1000), "the collection was killed"
                assert not weights_of(variant).exists()
                assert list(store.trash.iterdir()) == []
                registry.import_folder(make_model("again", fill=2), "v/a")
            else:
                outcomes.append("there")
            registry.materialize(variant.digest)
            registry.materialize(kept.digest)
            if not killed:
                break
    assert len(outcomes) > 20, "the steps were not counted"
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {"there", "gone"}


def test_a_collection_killed_at_any_step_is_finished_by_the_next(
    database_url: str,
    home: Path,
    registry: Registry,
    add_model: AddModel,
    weights_of: WeightsOf,
    database: Database,
    store: Store,
) -> None:
    kept = add_model("v/kept", 1)
    steps = 0
    with _kill_at(database_url, home, "collect", "") as kill_at:
        for step in range(1, 300):
            variant = add_model("v/a", 2, from_hub=False)
            registry.materialize(variant.digest)
            forget_model(database, "v/a")
            orphan = store.blob_path("ab" * 32)
            orphan.parent.mkdir(exist_ok=True)
            orphan.write_bytes(b"orphan")
            killed = kill_at(step)
            _assert_consistent(database, store)
            registry.materialize(kept.digest)
            assert not kill_at(1000), "the second collection was killed"
            left = [weights_of(variant), orphan, store.checkouts / variant.digest, *store.trash.iterdir()]
            assert [path for path in left if path.exists()] == []
            steps = step
            if not killed:
                break
    assert steps > 30, "the steps were not counted"
