"""What every command shares: the version, and lists that are asked for in the same way."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from panope_registry.session import RegistrySession
from panope_server.cli.main import app


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.output


def test_an_option_tells_the_version_as_the_command_does() -> None:
    assert run("--version") == run("version")
    assert run("--version")[1].strip()


@pytest.mark.parametrize("words", [("ls",), ("alias", "ls"), ("jobs", "ls"), ("jobs",)])
def test_every_list_is_printed_as_json_too(tmp_path: Path, words: tuple[str, ...]) -> None:
    RegistrySession.open(tmp_path / "registry.sqlite3", tmp_path).close()
    assert run(*words, "--json", "--home", str(tmp_path)) == (0, "[]\n")


def test_an_option_before_the_command_that_it_belongs_to_is_refused(tmp_path: Path) -> None:
    code, said = run("jobs", "--json", "show", "1", "--home", str(tmp_path))
    assert (code, "options of `show` stand after it" in said) == (2, True)
