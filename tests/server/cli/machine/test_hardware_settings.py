"""`panope hardware` tells of settings that name what is not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app


def test_names_that_mean_nothing_are_told_beside_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOPE_HARDWARE_DISABLED", "cuda,openvino GPU")
    monkeypatch.setenv("PANOPE_HARDWARE_MEMORY", "cpu CPO=2GiB")
    done = CliRunner().invoke(app, ["hardware", "--json", "--home", str(tmp_path / "home")])
    assert done.exit_code == 0, done.output
    meaning = "which is no backend and no `BACKEND DEVICE` that `panope hardware` lists"
    assert done.stderr.splitlines() == [
        f"panope: `hardware.disabled` names `cuda`, {meaning}",
        f"panope: `hardware.memory` names `cpu CPO`, {meaning}",
    ]
    assert "cpu" in [device["backend"] for device in json.loads(done.stdout)]
