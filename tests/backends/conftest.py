"""Runs the backends' programs as the server does."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest


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
