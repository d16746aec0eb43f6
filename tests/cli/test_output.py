"""What commands say to people."""

from __future__ import annotations

import pytest

from panope_server.cli.output import fail, note

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
