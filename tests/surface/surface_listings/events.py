"""Events of the log with their fields, from docs/operations.md, which a test in tests/docs compares with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def listing() -> str:
    """Every event by its name."""
    return "\n".join(sorted(_lines())) + "\n"


def _lines() -> Iterator[str]:
    section = (ROOT / "docs/operations.md").read_text().split("## Logs\n", 1)[1].split("\n## ", 1)[0]
    for row in re.findall(r"^\| (`.*)$", section, re.MULTILINE):
        events, fields, *_ = row.split("|")
        for event in re.findall(r"`([^`]+)`", events):
            yield f"{event}: {', '.join(sorted(filter(None, map(str.strip, fields.split(',')))))}"
