"""The backends on the documentation's page are installed as written and pass the suites."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "writing-a-backend.md"
SETTINGS = ROOT / "pyproject.toml"
#: The page's backends, one for each kind of model, and how many tests of the suite each passes at least.
KINDS = {"static": 15, "fading": 40, "parrot": 40}
FILE = re.compile(r"^`([\w.]+)`[^\n]*\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return dict(FILE.findall(PAGE.read_text()))


@pytest.fixture
def environment(tmp_path: Path, files: dict[str, str]) -> dict[str, str]:
    """The page's files, with the metadata that an installer makes of its pyproject.toml."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    installed = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (points,) = project["entry-points"].items()
    lines = [f"{name} = {value}" for name, value in points[1].items()]
    (installed / "entry_points.txt").write_text("\n".join([f"[{points[0]}]", *lines, ""]))
    return dict(os.environ) | {"PYTHONPATH": str(tmp_path)}


def test_the_page_has_a_backend_of_about_60_lines(files: dict[str, str]) -> None:
    backends = {f"{name}_backend.py" for name in KINDS}
    assert set(files) == {*backends, *(f"test_{file}" for file in backends), "pyproject.toml"}
    assert len(files["static_backend.py"].splitlines()) <= 60


@pytest.mark.parametrize("name", KINDS)
def test_it_passes_the_conformance_suite(environment: dict[str, str], tmp_path: Path, name: str) -> None:
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    command = [sys.executable, "-m", "pytest", *options, f"test_{name}_backend.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= KINDS[name]


def test_it_is_found_by_its_entry_point(environment: dict[str, str], run_program: Any) -> None:
    facts = {"name": "a/b", "format": "safetensors", "task": "embed", "config": {"model_type": "model2vec"}}
    ended = run_program("panope_backends.programs.probe", "--supports", document=facts, environment=environment)
    (device,) = (found for found in ended.report["devices"] if found["backend"] == "static")
    assert (device["name"], device["level"]) == ("CPU", "full")
    assert ended.report["backends"]["static"] == {"version": "0.1.0", "api_version": 1}


@pytest.mark.parametrize("tool", [["ruff", "check", f"--config={SETTINGS}"], ["mypy", f"--config-file={SETTINGS}"]])
def test_it_is_as_clean_as_panopes_own(environment: dict[str, str], tmp_path: Path, tool: list[str]) -> None:
    command = [sys.executable, "-m", *tool, *(f"{name}_backend.py" for name in KINDS)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
