"""The task on the documentation's page, done as the page says: installed, imported, served and called."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/writing-a-task.md"
SETTINGS = ROOT / "pyproject.toml"


@pytest.fixture(scope="module")
def reader(read_page: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = read_page("writing-a-task.md", "panope-countdown", tmp_path_factory.mktemp("reader"))
    (made.folder / "panope-countdown/panope_countdown/__init__.py").touch()
    made.do("uv pip install")
    return made


@pytest.mark.timeout(240)
def test_its_model_is_called_over_rest_and_grpc_and_errors_name_its_fields(
    reader: Any, empty_servers: Any, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    reader.do("make_model.py")
    assert "acme/countdown (countdown" in reader.do("panope import", PANOPE_HOME=str(home))
    server = reader.serve(empty_servers, home, "--load", envoy=True)

    curl = at(server, reader.line("curl")).replace("curl ", "curl -s ")
    over_rest = json.loads(reader.environment.run(curl, reader.folder))
    assert over_rest == json.loads(answer_on_the_page())
    assert (
        reader.environment.run(f"python -c {shlex.quote(client_on_the_page(server))}", reader.folder)
        == "[2.0, 1.0, 0.0]\n"
    )

    refused = server.post("/v1/infer/acme/countdown", {"value": {"start": 0}})
    assert (refused.status, refused.error["param"]) == (400, "value.start")
    stopped = server.post("/v1/infer/acme/countdown", {"value": {"start": 5, "stop_at": 2}})
    assert (stopped.status, stopped.error["message"]) == (500, "the countdown was stopped")


def test_an_environment_without_the_package_does_not_know_the_task(
    reader: Any, make_environment: Callable[[Path], Any], tmp_path: Path
) -> None:
    bare = make_environment(tmp_path / ".venv")
    line = f"! {reader.line('panope import')} 2>&1"
    assert "`countdown` is no task" in bare.run(line, reader.folder, PANOPE_HOME=str(tmp_path))


@pytest.mark.parametrize("tool", [["ruff", "check", f"--config={SETTINGS}"], ["mypy", f"--config-file={SETTINGS}"]])
def test_it_is_as_clean_as_panopes_own(reader: Any, tool: list[str]) -> None:
    command = [sys.executable, "-m", *tool, "panope_countdown/server.py", "panope_countdown/worker.py"]
    folder = reader.folder / "panope-countdown"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def at(server: Any, text: str) -> str:
    """What the page says, at the test's own ports."""
    return text.replace(":8000", f":{server.http_port}").replace(":8001", f":{server.grpc_port}")


def answer_on_the_page() -> str:
    (found,) = re.findall(r"It answers `([^`]+)`", PAGE.read_text())
    return found


def client_on_the_page(server: Any) -> str:
    (found,) = re.findall(r"^```python\n(from panope_client.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return at(server, found)
