"""Runs conformance suites on models that are broken on purpose, as a third party would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `broken_embedding_models`

FAILED = re.compile(r"^(?:FAILED|ERROR) .*::(\w+)::(\w+)", re.MULTILINE)

Named = tuple[str, str]
"""A test class and one of its tests."""


@pytest.fixture(scope="session")
def failed_tests() -> Callable[[Path, Sequence[Named]], set[Named]]:
    """Runs the named tests of a file, all in one process, and gives those that failed."""

    def run(file: Path, tests: Sequence[Named]) -> set[Named]:
        options = ["-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-c", os.devnull, f"--confcutdir={file.parent}"]
        nodes = [f"{file}::{suite}::{test}" for suite, test in tests]
        command = [sys.executable, "-m", "pytest", *options, *nodes]
        environment = dict(os.environ) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plugins take seconds to import
        done = subprocess.run(command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False)
        failed = set(FAILED.findall(done.stdout))
        assert failed, done.stdout + done.stderr
        return failed

    return run
