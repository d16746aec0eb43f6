"""The job worker of a server logs in the form of the server's log, which both write to one terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

from panope_server.config import Settings
from panope_server.runtime.processes.job_worker import PROGRAM


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_setting_decides_on_the_form_of_its_lines(tmp_path: Path, form: str) -> None:
    settings = Settings(home=str(tmp_path), log_format=form)
    process = subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        process.stdin.write(msgspec.json.encode(settings))
        process.stdin.close()
        line = process.stderr.readline().decode()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert "job_worker_started" in line
    assert line.startswith("{") == (form == "json")
    if form == "json":
        assert json.loads(line)["event"] == "job_worker_started"
