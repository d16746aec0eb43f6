"""The backends on the documentation's page are installed as written, pass the suites and serve as the page says."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panope_client import Client, PanopeClientError

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "pyproject.toml"
#: The page's backends, one for each kind of model, and how many tests of the suite each passes at least.
KINDS = {"static": 15, "fading": 40, "parrot": 40}
PACKAGE = "panope-static"


@pytest.fixture(scope="module")
def reader(read_page: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return read_page("writing-a-backend.md", PACKAGE, tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def installed(reader: Any) -> Any:
    reader.do("uv pip install")
    return reader


def test_the_page_has_a_backend_of_about_60_lines(reader: Any) -> None:
    backends = {f"{name}_backend.py" for name in KINDS}
    others = {"pyproject.toml", "make_model.py"}
    assert set(reader.files) == {*backends, *(f"test_{file}" for file in backends), *others}
    assert len(reader.files["static_backend.py"].splitlines()) <= 60


@pytest.fixture(scope="module")
def passed(installed: Any) -> Counter[str]:
    """How many tests of the suites each backend passes; the page's command, for all files at once."""
    command = installed.line("pytest").replace("test_static_backend.py", "--junitxml=report.xml -q -W error")
    installed.environment.run(command, installed.folder, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    cases = ET.parse(installed.folder / PACKAGE / "report.xml").iter("testcase")
    return Counter(str(case.get("classname")).split(".")[0] for case in cases if not len(case))


@pytest.mark.parametrize("name", KINDS)
def test_it_passes_the_conformance_suite(passed: Counter[str], name: str) -> None:
    assert passed[f"test_{name}_backend"] >= KINDS[name]


def test_the_package_holds_the_backend_and_nothing_else(installed: Any) -> None:
    modules = {path.name for path in installed.environment.packages.glob("*.py")}
    assert modules == {"static_backend.py"}


@pytest.fixture(scope="module")
def home(reader: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the page's model."""
    home = tmp_path_factory.mktemp("home")
    reader.do("make_model.py")
    assert "acme/static (embed" in reader.do("panope import", PANOPE_HOME=str(home))
    return home


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_server_runs_it_from_its_folder_and_hears_of_its_installation_by_a_restart(
    reader: Any, home: Path, empty_servers: Any, tmp_path: Path, make_environment: Callable[[Path], Any]
) -> None:
    bare = replace(reader, environment=make_environment(tmp_path / ".venv"))
    server = bare.serve(empty_servers, home, "PYTHONPATH")
    with Client(server.grpc_address) as client:
        answer = client.embed(["good morning"], model="acme/static", timeout=120)
        assert answer.vectors.shape == (1, 8)
        (instance,) = client.model("acme/static").instances
        assert instance.backend == "static_backend:StaticBackend"

        bare.do("uv pip install")
        client.unload("acme/static")
        with pytest.raises(PanopeClientError, match="no backend `static`"):
            client.load("acme/static", backend="static")


@pytest.mark.timeout(240)
def test_once_installed_it_is_listed_ranked_and_serves(installed: Any, home: Path, empty_servers: Any) -> None:
    assert "static CPU" in installed.do("panope hardware", PANOPE_HOME=str(home))
    assert "candidate 1: static CPU" in installed.do("panope show", PANOPE_HOME=str(home))
    server = installed.serve(empty_servers, home)
    port = {"PANOPE_GRPC_PORT": str(server.grpc_port)}
    assert "on static CPU" in installed.do("panope load", **port)
    assert "(8 values, 2 tokens)" in installed.do("panope embed", **port)


@pytest.mark.parametrize("tool", [["ruff", "check", f"--config={SETTINGS}"], ["mypy", f"--config-file={SETTINGS}"]])
def test_it_is_as_clean_as_panopes_own(reader: Any, tool: list[str]) -> None:
    command = [sys.executable, "-m", *tool, *(f"{name}_backend.py" for name in KINDS)]
    done = subprocess.run(command, cwd=reader.folder / PACKAGE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
