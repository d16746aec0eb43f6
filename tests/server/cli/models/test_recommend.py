"""`panope recommend` says what to do about each model that it does not recommend."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app
from panope_server.cli.models import recommend
from panope_server.runtime.placement.recommendation import Recommended


def test_each_model_that_is_not_recommended_comes_with_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(*_: object) -> Recommended:
        return Recommended([], beyond=["acme/slow"], disagreeing=["acme/wrong"], unmeasured=["acme/new"])

    monkeypatch.setattr(recommend, "_recommended", found)
    CliRunner().invoke(app, ["discover", str(tmp_path), "--register", "--home", str(tmp_path / "home")])
    done = CliRunner().invoke(app, ["recommend", "embed", "--max-latency", "0.01", "--home", str(tmp_path / "home")])
    assert done.exit_code == 0, done.output
    told = {line.partition(" ")[0]: line for line in done.stdout.splitlines() if line.startswith("acme/")}
    assert "`panope recommend embed`" in told["acme/slow"]
    assert "`panope show acme/wrong --candidates`" in told["acme/wrong"]
    assert "`panope bench acme/new`" in told["acme/new"]
