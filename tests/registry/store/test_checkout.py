"""Files are verified before a worker may open them, and damage is told by the file's name."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from panope_backends.errors import DataLossError, NotFoundError
from panope_registry.registry import ModelEntry, Registry, VerifyPolicy
from panope_registry.session import RegistrySession
from panope_registry.store import store as store_module
from panope_registry.tables.model_tables import blob_location

MakeModel = Callable[..., Path]


@pytest.fixture
def model(registry: Registry, make_model: MakeModel) -> ModelEntry:
    return registry.import_folder(make_model(), "v/m")


@pytest.fixture
def digest(model: ModelEntry) -> str:
    return model.variants[0].digest


def _blob(home: Path, model: ModelEntry, path: str) -> Path:
    (sha256,) = (file.sha256 for file in model.variants[0].files if file.path == path)
    return home / "store" / "blobs" / "sha256" / sha256[:2] / sha256


def _flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_view_has_the_variants_files_and_no_others(
    registry: Registry, model: ModelEntry, digest: str, tmp_path: Path
) -> None:
    view = registry.materialize(digest)
    found = {str(path.relative_to(view)): path for path in view.rglob("*") if path.is_file()}
    assert set(found) == {file.path for file in model.variants[0].files}
    for path, file in found.items():
        assert file.read_bytes() == (tmp_path / "model" / path).read_bytes()
        assert not file.is_symlink()


def test_the_same_folder_comes_back_without_hashing(
    registry: Registry, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = registry.materialize(digest)
    monkeypatch.setattr(store_module, "hash_file", lambda *_: pytest.fail("hashed again"))
    assert registry.materialize(digest) == view


def test_a_flipped_byte_is_refused_before_load(
    registry: Registry, engine: Engine, home: Path, model: ModelEntry, digest: str
) -> None:
    registry.materialize(digest)
    damaged = _blob(home, model, "model.safetensors")
    _flip_last_byte(damaged)
    with pytest.raises(DataLossError, match=r"file `model\.safetensors` of this model is damaged") as caught:
        registry.materialize(digest)
    assert str(home) not in caught.value.message
    assert not damaged.exists()
    assert [path.name.split(".")[0] for path in (home / "store" / "quarantine").iterdir()] == [damaged.name]
    with engine.connect() as connection:
        states = connection.execute(select(blob_location.c.sha256).where(blob_location.c.state == "quarantined"))
        assert states.scalars().all() == [damaged.name]


def test_a_damaged_model_stays_refused_until_it_is_imported_again(
    registry: Registry, home: Path, model: ModelEntry, digest: str, tmp_path: Path
) -> None:
    _flip_last_byte(_blob(home, model, "tokenizer.json"))
    for what in ("damaged", "missing", "missing"):
        with pytest.raises(DataLossError, match=rf"`tokenizer\.json` of this model is {what}"):
            registry.materialize(digest)
    registry.import_folder(tmp_path / "model", "v/m")
    assert (registry.materialize(digest) / "tokenizer.json").read_bytes() == b"{}"


def test_damage_after_the_view_was_made_is_not_left_in_it(
    registry: Registry, home: Path, model: ModelEntry, digest: str, tmp_path: Path
) -> None:
    view = registry.materialize(digest)
    _flip_last_byte(view / "model.safetensors")  # the same file as the blob
    with pytest.raises(DataLossError):
        registry.materialize(digest)
    registry.import_folder(tmp_path / "model", "v/m")
    again = registry.materialize(digest)
    assert (again / "model.safetensors").read_bytes() == (tmp_path / "model" / "model.safetensors").read_bytes()


def test_a_truncated_blob_is_refused_without_hashing(
    registry: Registry, home: Path, model: ModelEntry, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _blob(home, model, "model.safetensors")
    path.chmod(0o644)
    os.truncate(path, 10)
    monkeypatch.setattr(store_module, "hash_file", lambda *_: pytest.fail("hashed"))
    with pytest.raises(DataLossError, match="damaged"):
        registry.materialize(digest)


def test_a_touched_blob_is_hashed_once_and_used(
    registry: Registry, home: Path, model: ModelEntry, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(_blob(home, model, "model.safetensors"))
    hashed: list[Path] = []
    hash_file = store_module.hash_file
    monkeypatch.setattr(store_module, "hash_file", lambda path, *_: hashed.append(path) or hash_file(path))
    registry.materialize(digest)
    registry.materialize(digest)
    assert len(hashed) == 1


def test_a_good_blob_that_arrives_while_the_damaged_one_is_hashed_stays(
    registry: Registry, home: Path, model: ModelEntry, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _blob(home, model, "model.safetensors")
    good = path.read_bytes()
    _flip_last_byte(path)

    def replaced_meanwhile(hashed: Path, *_: object) -> str:
        path.with_suffix(".new").write_bytes(good)
        path.with_suffix(".new").replace(hashed)
        return "not the hash"

    monkeypatch.setattr(store_module, "hash_file", replaced_meanwhile)
    with pytest.raises(DataLossError):
        registry.materialize(digest)
    assert path.read_bytes() == good


def _flip_unseen(path: Path) -> None:
    """Damage that keeps size and time of change, as a bad disk does it."""
    before = path.stat()
    _flip_last_byte(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_policy_always_finds_what_keeps_its_fingerprint(
    database_url: str, home: Path, make_model: MakeModel
) -> None:
    session = RegistrySession.open(database_url, home, verify=VerifyPolicy.ALWAYS)
    registry = session.registry
    model = registry.import_folder(make_model(), "v/m")
    registry.materialize(model.variants[0].digest)
    _flip_unseen(_blob(home, model, "model.safetensors"))
    with pytest.raises(DataLossError):
        registry.materialize(model.variants[0].digest)
    session.close()


def test_the_policy_never_still_needs_the_file(database_url: str, home: Path, make_model: MakeModel) -> None:
    session = RegistrySession.open(database_url, home, verify=VerifyPolicy.NEVER)
    registry = session.registry
    model = registry.import_folder(make_model(), "v/m")
    digest = model.variants[0].digest
    _flip_last_byte(_blob(home, model, "tokenizer.json"))
    registry.materialize(digest)
    _blob(home, model, "tokenizer.json").unlink()
    with pytest.raises(DataLossError, match="missing"):
        registry.materialize(digest)
    session.close()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda view: (view / "extra.py").write_text("import os"),
        lambda view: (view / "config.json").unlink(),
        lambda view: (view / "config.json").rename(view / "other.json"),
        lambda view: (view / "link").symlink_to("/", target_is_directory=True),
        lambda view: ((view / "config.json").unlink(), (view / "config.json").write_text("{}")),
        lambda view: ((view / "config.json").unlink(), (view / "config.json").symlink_to("/etc/hostname")),
    ],
)
def test_a_view_that_was_tampered_with_is_made_anew(
    registry: Registry, digest: str, tamper: Callable[[Path], object]
) -> None:
    view = registry.materialize(digest)
    before = {str(path.relative_to(view)) for path in view.rglob("*")}
    tamper(view)
    assert registry.materialize(digest) == view
    assert {str(path.relative_to(view)) for path in view.rglob("*")} == before
    assert b"Bert" in (view / "config.json").read_bytes()


def test_without_hard_links_views_are_verified_copies(
    registry: Registry, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object, **_more: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    view = registry.materialize(digest)
    assert (view / "model.safetensors").stat().st_nlink == 1
    _flip_unseen(view / "model.safetensors")
    again = registry.materialize(digest)
    assert (again / "model.safetensors").read_bytes()[-1] == 0


def test_many_threads_get_the_same_whole_view(registry: Registry, model: ModelEntry, digest: str) -> None:
    views: list[set[str]] = []

    def materialize() -> None:
        view = registry.materialize(digest)
        views.append({str(path.relative_to(view)) for path in view.rglob("*") if path.is_file()})

    threads = [threading.Thread(target=materialize) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert views == [{file.path for file in model.variants[0].files}] * 8


def test_another_machine_on_the_same_database_trusts_its_own_disk_alone(
    registry: Registry, database_url: str, tmp_path: Path, digest: str
) -> None:
    other_session = RegistrySession.open(database_url, tmp_path / "other")
    other = other_session.registry
    with pytest.raises(DataLossError, match="missing from the store"):
        other.materialize(digest)
    other.import_folder(tmp_path / "model", "v/m")
    assert (other.materialize(digest) / "config.json").is_file()
    other_session.close()


def test_an_unknown_variant_is_not_found(registry: Registry) -> None:
    for digest in ("0" * 64, "", "../../etc"):
        with pytest.raises(NotFoundError):
            registry.materialize(digest)
