"""Models are found in the folders below a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from panope_backends.errors import InvalidInputError
from panope_registry.ingest.discovery import ScanOptions, discover_models, scan
from panope_registry.inspect.grants import Grants
from panope_registry.session import RegistrySession

MakeModel = Callable[..., Path]


def test_models_are_found_with_names_tasks_and_problems(make_model: MakeModel, tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(make_model("good"), root / "vendor" / "good")
    pickles = make_model("pickles", files={"model.safetensors": None, "pytorch_model.bin": b"x"})
    shutil.copytree(pickles, root / "vendor" / "pickles")
    shutil.copytree(make_model("good"), root / "bad name" / "x")
    shutil.copytree(make_model("good"), root / ".git" / "x")
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("no model")
    found = discover_models(root)
    assert [(model.name, model.task, bool(model.problem)) for model in found] == [
        ("bad name/x", "", True),
        ("vendor/good", "embed", False),
        ("vendor/pickles", "", True),
    ]
    assert "pytorch_model.bin" in found[2].problem
    assert found[1].folder == root.resolve() / "vendor" / "good"
    granted = discover_models(root, ScanOptions("acme", Grants(pickles=("acme/pickles",))))
    assert [(model.name, bool(model.problem)) for model in granted] == [
        ("acme/x", False),
        ("acme/good", False),
        ("acme/pickles", False),
    ]


def test_a_model_folder_itself_is_found_once(make_model: MakeModel) -> None:
    folder = make_model()
    assert [model.folder for model in discover_models(folder)] == [folder.resolve()]


def test_what_panope_keeps_itself_is_not_found(make_model: MakeModel, tmp_path: Path) -> None:
    home = tmp_path / "root" / "home"
    home.mkdir(parents=True)
    session = RegistrySession.open(home / "registry.sqlite3", home)
    entry = session.registry.import_folder(make_model(), "v/m")
    assert (session.registry.materialize(entry.variants[0].digest) / "config.json").exists()
    session.close()
    assert discover_models(tmp_path / "root") == []


def test_an_empty_folder_holds_no_models(tmp_path: Path) -> None:
    assert discover_models(tmp_path) == []


def test_links_out_of_a_models_folder_are_a_problem_and_links_to_folders_are_not_walked(
    make_model: MakeModel, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    make_model("elsewhere")
    shutil.copytree(make_model("inner"), root / "v" / "m")
    (root / "v" / "m" / "secret.json").symlink_to("/etc/hostname")
    (root / "v" / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (found,) = discover_models(root)
    assert found.name == "v/m"
    assert "`secret.json` is a link that leaves the folder" in found.problem


def test_a_scan_ends_at_a_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MAX_ENTRIES", 3)
    for name in "abcd":
        (tmp_path / name).touch()
    with pytest.raises(InvalidInputError, match="more than 3 files"):
        discover_models(tmp_path)
