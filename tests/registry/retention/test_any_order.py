"""Whatever is done in whatever order: the files of a variant that is kept are there, and no row lies."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import insert, select, update

from panope_backends.errors import NotFoundError, PreconditionError
from panope_registry.retention.retention import RetentionManager
from panope_registry.retention.types import Lease, Quota
from panope_registry.session import RegistrySession
from panope_registry.tables.model_tables import blob_location, repo

NAMES = ("v/a", "v/b", "v/c")
names = st.sampled_from(NAMES)
fills = st.integers(0, 2)


class Use(RuleBasedStateMachine):
    """Three names, three contents, one conversion each; a model of what must be there is kept beside."""

    template: Path
    make_model: object

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="panope-retention-"))
        shutil.copyfile(self.template, self.folder / "registry.sqlite3")
        self.session = RegistrySession.open(f"sqlite:///{self.folder / 'registry.sqlite3'}", self.folder / "home")
        self.registry = self.session.registry
        self.database, self.store = self.session.database, self.session.store
        self.moment = datetime.now(UTC)
        self.leases: list[Lease] = []
        self.pinned: set[str] = set()

    def teardown(self) -> None:
        self.session.close()
        shutil.rmtree(self.folder)

    def retention(self, max_bytes: int | None = None) -> RetentionManager:
        quota = Quota(max_bytes, free_floor_bytes=0, low_water=1.0)
        return RetentionManager(self.database, self.store, quota=quota, clock=lambda: self.moment)

    def digests(self) -> list[str]:
        return [variant.digest for entry in self.registry.models() for variant in entry.variants]

    def kept(self) -> set[str]:
        return self.pinned | {lease.variant_digest for lease in self.leases if lease.until > self.moment}

    @initialize()
    def first(self) -> None:
        self.bring("v/a", 0, from_hub=True)

    @rule(name=names, fill=fills, from_hub=st.booleans())
    def bring(self, name: str, fill: int, from_hub: bool) -> None:
        with self.database.change() as connection:
            connection.execute(update(repo).where(repo.c.name == name).values(source="folder"))
        self.registry.import_folder(self.make_model(fill), name)
        if from_hub:
            with self.database.change() as connection:
                connection.execute(update(repo).where(repo.c.name == name).values(source="hub"))

    @rule(data=st.data())
    def convert(self, data: st.DataObject) -> None:
        source = data.draw(st.sampled_from(self.digests()) if self.digests() else st.none())
        if source is None:
            return
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "model.bin").write_bytes(source.encode())
        how = {"task": "embed", "format": "openvino", "precision": "fp16", "backend": "openvino", "engine_version": "1"}
        self.registry.add_conversion(source, folder, **how)

    @rule(data=st.data(), seconds=st.sampled_from((10, 1000)))
    def lease(self, data: st.DataObject, seconds: int) -> None:
        digest = data.draw(st.sampled_from(self.digests()) if self.digests() else st.none())
        if digest is None:
            return
        try:
            self.leases.append(self.retention().lease(digest, "me", seconds))
        except PreconditionError:
            assert digest not in self.kept()

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.leases:
            self.retention().release(self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1))))

    @rule(data=st.data())
    def pin(self, data: st.DataObject) -> None:
        here = [variant.digest for variant in self.retention().usage().variants if variant.is_local]
        if here:
            digest = data.draw(st.sampled_from(here))
            self.retention().pin(digest, principal="me")
            self.pinned.add(digest)

    @rule()
    def unpin_all(self) -> None:
        for digest in self.pinned:
            self.retention().unpin(digest)
        self.pinned.clear()

    @rule(seconds=st.sampled_from((5, 100, 200_000)))
    def wait(self, seconds: int) -> None:
        self.moment += timedelta(seconds=seconds)

    @rule(max_bytes=st.sampled_from((1, 2500)))
    def make_room(self, max_bytes: int) -> None:
        self.retention(max_bytes).evict()

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        digest = data.draw(st.sampled_from(self.digests()) if self.digests() else st.none())
        if digest is None:
            return
        try:
            self.retention().evict(variants=[digest])
        except PreconditionError:
            assert digest in self.kept()

    @rule(name=names)
    def remove(self, name: str) -> None:
        try:
            self.retention().remove_model(name)
        except NotFoundError:
            assert name not in [entry.name for entry in self.registry.models()]
        except PreconditionError:
            assert self.kept()

    @rule()
    def collect(self) -> None:
        self.retention().collect()

    @rule(data=st.data())
    def copy_elsewhere(self, data: st.DataObject) -> None:
        sha256s = [file.sha256 for entry in self.registry.models() for v in entry.variants for file in v.files]
        if sha256s:
            values = {"sha256": data.draw(st.sampled_from(sha256s)), "store": "another", "state": "present"}
            with self.database.change() as connection:
                known = select(blob_location.c.id).filter_by(sha256=values["sha256"], store="another")
                if connection.execute(known).first() is None:
                    connection.execute(insert(blob_location).values(values | {"fingerprint": ""}))

    @invariant()
    def what_is_kept_can_be_loaded(self) -> None:
        for digest in self.kept():
            assert (self.registry.materialize(digest)).is_dir()

    @invariant()
    def no_row_lies(self) -> None:
        with self.database.read() as connection:
            mine = select(blob_location.c.sha256).filter_by(store=self.store.id, state="present")
            for sha256 in connection.execute(mine).scalars():
                assert self.store.blob_path(sha256).exists()

    @invariant()
    def no_file_is_without_a_row(self) -> None:
        with self.database.read() as connection:
            rows = set(connection.execute(select(blob_location.c.sha256).filter_by(store=self.store.id)).scalars())
        assert {path.name for path in self.store.blobs.rglob("*") if path.is_file()} <= rows


@pytest.mark.parametrize(
    "examples", [6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])], ids=["few", "many"]
)
def test_nothing_that_is_kept_is_lost_in_any_order(
    sqlite_template: Path, make_model: object, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    folders = [make_model(f"folder{fill}", fill=fill) for fill in range(3)]
    monkeypatch.setattr(Use, "template", sqlite_template, raising=False)
    monkeypatch.setattr(Use, "make_model", staticmethod(lambda fill: folders[fill]), raising=False)
    bounds = settings(
        max_examples=examples,
        stateful_step_count=20,
        phases=[Phase.generate],  # making a failure small takes minutes on a store; it is short as it is
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(Use, settings=bounds)
