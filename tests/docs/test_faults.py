"""Every fault that docs/downloads.md tells of is made to happen by the test that it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", (ROOT / "docs/downloads.md").read_text())


def test_the_page_names_tests() -> None:
    assert len(TESTS) > 20


@pytest.mark.parametrize(("path", "name"), TESTS, ids=[name for _, name in TESTS])
def test_the_test_of_a_fault_is_there(path: str, name: str) -> None:
    module = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
