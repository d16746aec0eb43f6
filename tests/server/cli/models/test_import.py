"""`panope import` of folders that are no model's."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from panope_server.cli.main import app
from panope_server.cli.models.import_and_ls import stored_bytes
from panope_server.cli.options import settings_for
from panope_server.cli.registry_session import registry_session
from panope_server.tasks import catalog


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


def _write_model(folder: Path) -> None:
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"model.norm.weight": np.ones(1000, np.float32)}, folder / "model.safetensors")


@pytest.mark.parametrize(("task", "is_noted"), [("generate", False), ("speak", True)])
def test_a_task_that_nothing_here_serves_is_said_to_be_one(
    tmp_path: Path, task: str, is_noted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = catalog.task_named
    monkeypatch.setattr(catalog, "task_named", lambda name: None if name == "speak" else here(name))
    (folder := tmp_path / "model").mkdir()
    _write_model(folder)
    asked = ["import", str(folder), "--name", "a/b", "--task", task, "--home", str(tmp_path / "home")]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0
    assert (f"nothing here serves the task `{task}`" in done.stderr) == is_noted


def test_a_file_of_several_variants_counts_once(tmp_path: Path) -> None:
    (folder := tmp_path / "model").mkdir()
    _write_model(folder)
    CliRunner().invoke(app, ["import", str(folder), "--name", "a/b", "--home", str(tmp_path / "home")])
    with registry_session(settings_for(str(tmp_path / "home"))) as session:
        entry = session.registry.model("a/b")
    twice = replace(entry, variants=(*entry.variants, *entry.variants))
    assert stored_bytes(twice) == stored_bytes(entry) == sum(file.size_bytes for file in entry.variants[0].files)
