"""What commands say to people."""

from __future__ import annotations

import subprocess
import sys

import pytest

from panope_server.cli.output.console import fail, note

LONG = "a name that is longer than eighty columns " * 4

HINT = "pip install 'panope-serving[torch]'"

IN_A_PIPE = f"""
from panope_server.cli.output.console import console, fail, print_table
print_table(("NAME", "SIZE"), [({LONG!r}, "1 B"), ("[red]x :smile:", "[2]")], empty="")
console.print({LONG!r} * 2)
console.print({HINT!r})
fail({LONG!r} * 2)
"""


def test_a_failure_is_told_word_for_word(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets are no markup there."""
    with pytest.raises(SystemExit) as ended:
        fail(HINT)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"panope: {HINT}\n"


def test_a_note_is_told_word_for_word(capsys: pytest.CaptureFixture[str]) -> None:
    note(HINT)
    assert capsys.readouterr().err == f"panope: {HINT}\n"


def test_lines_are_whole_in_a_pipe() -> None:
    done = subprocess.run([sys.executable, "-c", IN_A_PIPE], capture_output=True, text=True, check=False, timeout=60)
    heading, row, marked, sentence, hint = done.stdout.splitlines()
    assert heading.split() == ["NAME", "SIZE"]
    assert row.rstrip() == f"{LONG} 1 B" or row.split() == [*LONG.split(), "1", "B"]
    assert sentence == LONG * 2
    assert (marked.split(), hint) == (["[red]x", ":smile:", "[2]"], HINT), "text stands as it is"
    assert done.stderr == f"panope: {LONG * 2}\n"
