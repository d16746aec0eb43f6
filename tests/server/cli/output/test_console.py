"""What commands say to people."""

from __future__ import annotations

import subprocess
import sys

import pytest

from panope_server.cli.output.console import fail, note

LONG = "a name that is longer than eighty columns " * 4

IN_A_PIPE = f"""
from panope_server.cli.output.console import console, fail, print_table
print_table(("NAME", "SIZE"), [({LONG!r}, "1 B")], empty="")
console.print({LONG!r} * 2, highlight=False)
fail({LONG!r} * 2)
"""

HINT = "pip install 'panope-serving[torch]'"


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
    heading, row, sentence = done.stdout.splitlines()
    assert heading.split() == ["NAME", "SIZE"]
    assert row.rstrip() == f"{LONG} 1 B" or row.split() == [*LONG.split(), "1", "B"]
    assert sentence == LONG * 2
    assert done.stderr == f"panope: {LONG * 2}\n"
