"""A home that is none, such as a mistyped one: commands that only look at it say so and make nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app

LOOKING = [
    *("ls", "du", "gc", "verify", "jobs", "jobs ls", "jobs show 1", "jobs cancel 1", "jobs retry 1", "jobs watch 1"),
    *("show a/b", "files a/b", "rm a/b", "pin a/b", "unpin a/b", "bench a/b", "build a/b --format onnx", "ps --all"),
    *("alias ls", "alias set x a/b", "alias rollback x", "alias rm x", "alias history x"),
]


@pytest.mark.parametrize("exists", [False, True], ids=["missing", "another folder"])
@pytest.mark.parametrize("words", LOOKING)
def test_a_command_that_needs_a_home_says_that_there_is_none_and_makes_none(
    tmp_path: Path, words: str, exists: bool
) -> None:
    home = tmp_path / "typo"
    if exists:
        home.mkdir()
    done = CliRunner().invoke(app, [*words.split(), "--home", str(home)])
    assert done.exit_code == 1, done.output
    assert f"{home} is no home of Panope yet: `panope import` and `panope pull` begin one" in done.stderr
    assert home.exists() == exists
    assert not exists or list(home.iterdir()) == []


@pytest.mark.parametrize("words", ["hardware", "doctor"])
def test_a_look_at_the_machine_needs_no_home_and_makes_none(tmp_path: Path, words: str) -> None:
    home = tmp_path / "typo"
    done = CliRunner().invoke(app, [words, "--home", str(home)])
    assert done.exit_code == 0, done.output
    assert "openvino" in done.output
    assert not home.exists()


def test_a_writing_command_begins_the_home(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    home = tmp_path / "new"
    CliRunner().invoke(app, ["discover", str(tmp_path / "models"), "--home", str(home)])
    assert not home.exists(), "without --register it only looks"
    CliRunner().invoke(app, ["discover", str(tmp_path / "models"), "--register", "--home", str(home)])
    assert CliRunner().invoke(app, ["ls", "--json", "--home", str(home)]).stdout == "[]\n"
