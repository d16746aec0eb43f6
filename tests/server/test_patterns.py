"""What a schema's pattern fits is the whole text: Python's `$` lets a line's end follow, which nobody has asked for."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis.strategies import DataObject, data, from_regex

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("backends", "registry", "server")


def patterns() -> list[str]:
    """Those of every `Meta`."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if "pattern=" in path.read_text()]
    calls = [node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    given = [each.value for call in calls if _is_meta(call) for each in call.keywords if each.arg == "pattern"]
    return sorted({value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)})


def _is_meta(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "Meta"


PATTERNS = patterns()


def test_patterns_are_found() -> None:
    assert len(PATTERNS) > 20


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=10)
@given(data=data())
def test_no_pattern_fits_a_text_with_a_lines_end(pattern: str, data: DataObject) -> None:
    text = data.draw(from_regex(pattern)).rstrip("\r\n")
    assert re.search(pattern, text)
    assert not re.search(pattern, text + "\n")
