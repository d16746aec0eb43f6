from __future__ import annotations

import html
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_drawing_shows_what_its_source_says() -> None:
    labels = re.findall(r'label="([^"]*)"', (DOCS / "architecture.dot").read_text())
    words = {line.strip() for label in labels for line in label.split("\\n")}
    drawn = {html.unescape(text).strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", _svg())}
    assert words == drawn, "run: dot -Tsvg docs/architecture.dot -o docs/architecture.svg"


def _svg() -> str:
    return (DOCS / "architecture.svg").read_text()
