"""Files that commands are to write, looked at before any server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_server.cli.main import app

NOBODY = ("--address", "127.0.0.1:1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "image.png").touch()
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.wav").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "option", "name", "said"),
    [
        ("segment", "--out", "file", "`{}` is a file; name a folder"),
        ("segment", "--out", "file/below/it", "`{0.parent.parent}` is a file; name a folder"),
        ("segment", "--draw", "folder.png", "`{}` is a folder; name a file"),
        ("detect", "--draw", "none/boxes.png", "the folder `{.parent}` does not exist; make it first"),
        ("detect", "--draw", "file/boxes.png", "the folder `{.parent}` is no folder"),
        ("speak", "--out", "none/a.wav", "the folder `{.parent}` does not exist; make it first"),
        ("depth", "--out", "none/a.png", "the folder `{.parent}` does not exist; make it first"),
        ("superres", "--out", "folder.png", "`{}` is a folder; name a file"),
        ("speak", "--out", "folder.wav", "`{}` is a folder; name a file"),
    ],
)
def test_what_cannot_be_written_is_refused_by_its_option_before_the_model_runs(
    folder: Path, command: str, option: str, name: str, said: str
) -> None:
    given = "hello" if command == "speak" else str(folder / "image.png")
    told = CliRunner().invoke(app, [command, "acme/a", given, option, str(folder / name), *NOBODY])
    assert told.exit_code == 1
    assert " ".join(told.output.split()) == f"panope: `{option}`: {said.format(folder / name)}"


@pytest.mark.parametrize("name", ["new", "new/below/it", "folder.png"])
def test_a_folder_that_can_be_made_or_is_there_passes(folder: Path, name: str) -> None:
    image = str(folder / "image.png")
    told = CliRunner().invoke(app, ["segment", "acme/a", image, "--out", str(folder / name), *NOBODY])
    assert "no server answers at 127.0.0.1:1" in " ".join(told.output.split())
