"""`panope import` of folders that are no model's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app


@pytest.mark.parametrize("what", ["text", "pipe", "link", "deep model"])
def test_a_folder_without_a_model_is_said_to_have_none_whatever_else_is_in_it(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "notes.txt").write_text("hello")
    if what == "pipe":
        os.mkfifo(folder / "pipe")
    if what == "link":
        (folder / "link").symlink_to("/etc/hostname")
    if what == "deep model":
        (folder / "vendor" / "model").mkdir(parents=True)
        (folder / "vendor" / "model" / "config.json").write_text("{}")
    done = CliRunner().invoke(app, ["import", str(folder), "--name", "a/b", "--home", str(tmp_path / "home")])
    assert done.exit_code == 1
    assert f"no safetensors, ONNX, OpenVINO or GGUF weights were found in {folder}" in done.stderr
    assert f"`panope discover {folder}` finds models in folders below it" in done.stderr


def test_what_is_wrong_with_a_models_folder_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    os.mkfifo(tmp_path / "pipe")
    done = CliRunner().invoke(app, ["import", str(tmp_path), "--name", "a/b", "--home", str(tmp_path / "home")])
    assert (done.exit_code, "`pipe` is neither a file nor a folder" in done.stderr) == (1, True)
