"""Importing a folder: all or nothing, the same again, something else as a new revision."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from panope_backends.errors import (
    AlreadyExistsError,
    CapacityError,
    InvalidInputError,
    PreconditionError,
)
from panope_registry.registry import Registry
from panope_registry.store import files
from panope_registry.tables.model_tables import blob, repo, repo_file, revision, variant

MakeModel = Callable[..., Path]


def _count(engine: Engine, table: object) -> int:
    with engine.connect() as connection:
        # Any table; the callers know which.
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def _blobs(home: Path) -> list[Path]:
    return [path for path in (home / "store" / "blobs").rglob("*") if path.is_file()]


def _leftovers(home: Path) -> list[Path]:
    return list((home / "store" / "work").iterdir())


def test_a_model_is_there_with_its_facts(registry: Registry, make_model: MakeModel) -> None:
    entry = registry.import_folder(make_model(), "v/m")
    assert (entry.name, entry.task, entry.architecture) == ("v/m", "embed", "BertModel")
    (variant,) = entry.variants
    assert (variant.format, variant.precision, variant.parameter_count) == ("safetensors", "fp32", 32)
    paths = ["1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json"]
    assert [file.path for file in variant.files] == paths
    assert variant.size_bytes == sum(file.size_bytes for file in variant.files)
    assert registry.model("v/m") == entry
    assert entry.created_at.utcoffset() is not None
    assert entry.config["architectures"] == ["BertModel"]


def test_facts_are_those_that_a_backend_gets(registry: Registry, make_model: MakeModel) -> None:
    entry = registry.import_folder(make_model(), "v/m")
    facts = registry.facts(entry, entry.variants[0])
    assert asdict(facts) == {
        "name": "v/m",
        "format": "safetensors",
        "task": "embed",
        "architecture": "BertModel",
        "config": registry.model("v/m").config,
        "grants": (),
        "has_adapter": False,
        "head": "",
    }


def test_the_same_content_again_changes_nothing(registry: Registry, engine: Engine, make_model: MakeModel) -> None:
    first = registry.import_folder(make_model("a"), "v/m")
    assert registry.import_folder(make_model("b"), "v/m") == first
    assert [_count(engine, table) for table in (revision, variant)] == [1, 1]


def test_other_content_is_a_new_revision_and_the_one_that_is_served(
    registry: Registry, engine: Engine, make_model: MakeModel
) -> None:
    old = registry.import_folder(make_model("a"), "v/m")
    new = registry.import_folder(make_model("b", fill=1), "v/m")
    assert new.variants != old.variants
    assert new.created_at == old.created_at
    assert [_count(engine, table) for table in (repo, revision, variant)] == [1, 2, 2]
    assert registry.import_folder(make_model("a"), "v/m").variants == old.variants
    assert _count(engine, revision) == 2


def test_a_changed_readme_is_a_new_revision_of_the_same_variant(
    registry: Registry, engine: Engine, make_model: MakeModel
) -> None:
    old = registry.import_folder(make_model("a"), "v/m")
    new = registry.import_folder(make_model("b", files={"README.md": "# Other"}), "v/m")
    assert new.variants == old.variants
    assert [_count(engine, table) for table in (revision, variant)] == [2, 1]


def test_the_same_content_under_two_names_is_stored_once(
    registry: Registry, engine: Engine, home: Path, make_model: MakeModel
) -> None:
    first = registry.import_folder(make_model("a"), "v/m")
    stored = _blobs(home)
    second = registry.import_folder(make_model("b"), "w/n")
    assert second.variants == first.variants
    assert _blobs(home) == stored
    assert _count(engine, variant) == 1


def test_files_are_stored_under_their_hash_read_only_and_apart_from_the_users(
    registry: Registry, home: Path, make_model: MakeModel
) -> None:
    folder = make_model()
    registry.import_folder(folder, "v/m")
    for path in _blobs(home):
        assert path.name == files.hash_file(path)
        assert path.parent.name == path.name[:2]
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert path.stat().st_nlink == 1
    assert stat.S_IMODE((folder / "config.json").stat().st_mode) != 0o444
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert _leftovers(home) == []


def test_what_is_not_imported_is_listed(registry: Registry, engine: Engine, make_model: MakeModel) -> None:
    registry.import_folder(make_model(files={"pytorch_model.bin": b"\x80\x04.", "x.py": ""}), "v/m")
    with engine.connect() as connection:
        rows = connection.execute(select(repo_file.c.path, repo_file.c.kind).where(repo_file.c.sha256.is_(None))).all()
    assert sorted(tuple(row) for row in rows) == [("pytorch_model.bin", "unsafe"), ("x.py", "code")]


def test_progress_reaches_the_total_and_names_the_files(registry: Registry, make_model: MakeModel) -> None:
    seen: list[tuple[int, int, str]] = []
    folder = make_model()
    registry.import_folder(folder, "v/m", progress=lambda done, total, file: seen.append((done, total, file)))
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1][:2] == (total, total)
    assert {file for _, _, file in seen} >= {"config.json", "model.safetensors"}


@pytest.mark.parametrize("name", ["m:", "../m", "v/../m", "", "v/m/x"])
def test_a_wrong_name_is_refused_before_anything_is_read(registry: Registry, home: Path, name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        registry.import_folder(Path("/nonexistent"), name)
    assert caught.value.field == "name"
    assert _blobs(home) == []


def test_a_refused_folder_leaves_no_trace(
    registry: Registry, engine: Engine, home: Path, make_model: MakeModel
) -> None:
    token = registry.change_token()
    with pytest.raises(PreconditionError):
        registry.import_folder(make_model(files={"model.safetensors": None, "x.pt": b"x"}), "v/m")
    assert registry.models() == []
    assert _blobs(home) == _leftovers(home) == []
    assert registry.change_token() == token
    assert _count(engine, blob) == 0


def test_a_full_disk_changes_nothing_and_is_said_to_be_full(
    registry: Registry, home: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = registry.import_folder(make_model("a"), "v/m")
    write = os.write

    def fills_up(descriptor: int, data: bytes) -> int:
        if len(data) > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", fills_up)
    with pytest.raises(CapacityError, match=r"no room in the store for `model\.safetensors`") as caught:
        registry.import_folder(make_model("b", fill=1), "v/m")
    assert caught.value.reason == "disk_full"
    assert registry.model("v/m") == first
    assert _leftovers(home) == []


def test_an_unreadable_file_is_named(
    registry: Registry, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root reads everything, so the refusal is made by hand."""
    folder = make_model()
    open_file = Path.open

    def refuse(path: Path, *args: object, **more: object) -> object:
        if path == folder / "tokenizer.json":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_file(path, *args, **more)  # type: ignore[arg-type, call-overload]  # fields by their names

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PreconditionError, match=r"`tokenizer\.json` cannot be read") as caught:
        registry.import_folder(folder, "v/m")
    assert caught.value.reason == "unreadable_file"
    assert registry.models() == []


def test_a_file_that_grows_meanwhile_is_refused(
    registry: Registry, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model()
    with pytest.raises(PreconditionError) as caught:
        registry.import_folder(
            folder, "v/m", progress=lambda *_: (folder / "tokenizer.json").write_text('{"more": "than before"}')
        )
    assert caught.value.reason == "folder_changed"
    assert registry.models() == []


def test_a_name_of_another_source_is_not_taken_over(registry: Registry, engine: Engine, make_model: MakeModel) -> None:
    registry.import_folder(make_model("a"), "v/m")
    with engine.begin() as connection:
        connection.execute(repo.update().values(source="hub"))
    with pytest.raises(AlreadyExistsError, match="another name"):
        registry.import_folder(make_model("b", fill=1), "v/m")


def test_an_import_repairs_what_was_damaged(registry: Registry, home: Path, make_model: MakeModel) -> None:
    folder = make_model()
    (variant,) = registry.import_folder(folder, "v/m").variants
    for path in _blobs(home):
        path.chmod(0o644)
        path.write_bytes(b"\xff" * path.stat().st_size)
    registry.import_folder(folder, "v/m")
    view = registry.materialize(variant.digest)
    assert (view / "config.json").read_bytes() == (folder / "config.json").read_bytes()


def test_where_blocks_can_be_cloned_the_content_is_hashed_all_the_same(
    registry: Registry, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = registry.import_folder(make_model(), "v/copied")

    def clone(source: int, target: int) -> bool:
        os.sendfile(target, source, 0, os.fstat(source).st_size)
        os.lseek(target, 0, os.SEEK_SET)
        return True

    monkeypatch.setattr(files, "_clone", clone)
    cloned = registry.import_folder(make_model(), "v/cloned")
    assert cloned.variants == copied.variants


@pytest.mark.parametrize("name", ["\0", "\x1b[0m", "X" * 100_000])
def test_a_class_that_no_database_would_take_is_told_in_letters(
    registry: Registry, make_model: MakeModel, name: str
) -> None:
    entry = registry.import_folder(make_model(files={"config.json": json.dumps({"architectures": [name]})}), "v/m")
    assert entry.architecture.isprintable()
    assert len(entry.architecture) <= 201
