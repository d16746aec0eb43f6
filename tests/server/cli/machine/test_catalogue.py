"""`panope catalogue` tells the catalogue without a server."""

from __future__ import annotations

import json

import pytest

from panope_server.cli.machine.catalogue import catalogue


def test_json_has_totals_and_architectures(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    catalogue(json=True, task="generate", backend="openvino")
    told = json.loads(capfdbinary.readouterr().out)
    assert set(told["totals"]) == {"recognised", "loads", "serves"}
    llama = next(each for each in told["architectures"] if each["model_type"] == "llama")
    assert (llama["task"], llama["serves"], llama["backends"]["openvino"]) == (
        "generate",
        True,
        {"level": "full", "reason": ""},
    )


def test_people_read_a_table_and_the_three_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    catalogue(task="speak")
    shown = capsys.readouterr().out
    assert "vits" in shown
    assert "architectures are recognised" in shown


def test_an_unknown_task_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        catalogue(task="dance")
    assert "`--task` must be one of" in capsys.readouterr().err
