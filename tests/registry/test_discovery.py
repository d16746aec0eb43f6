"""Models are found in the folders below a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from panope_registry.discovery import discover_models

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


def test_a_model_folder_itself_is_found_once(make_model: MakeModel) -> None:
    folder = make_model()
    assert [model.folder for model in discover_models(folder)] == [folder.resolve()]


def test_an_empty_folder_holds_no_models(tmp_path: Path) -> None:
    assert discover_models(tmp_path) == []
