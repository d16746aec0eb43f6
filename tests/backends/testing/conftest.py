"""Runs a conformance suite on models that are broken on purpose, as a third party would run it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

FAILED = re.compile(r"^(?:FAILED|ERROR) .*::(\w+)::(\w+)", re.MULTILINE)

FailedTests = dict[str, set[str]]


@pytest.fixture(scope="session")
def run_suite() -> Callable[[Path], FailedTests]:
    """Runs a file of test classes and gives the names of the failed tests by class."""

    def run(file: Path) -> FailedTests:
        options = ["-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command = [sys.executable, "-m", "pytest", *options, file.name]
        done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)
        failed: FailedTests = defaultdict(set)
        for suite, test in FAILED.findall(done.stdout):
            failed[suite].add(test)
        assert failed, done.stdout + done.stderr
        return failed

    return run
