"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTICE = "<!-- Made by docs/generate.py; change the code and run `make docs`. -->"


def page(lines: Iterable[str]) -> str:
    """A page's text, with no more than one empty line in a row."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def paragraphs(comment: str) -> list[str]:
    """A comment's paragraphs, each on one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", comment.strip()) if part.strip()]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, with an empty one behind it."""
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return [*lines, ""]


def _row(cells: Sequence[str]) -> str:
    texts = (" ".join(paragraphs(cell)).replace("|", "\\|") for cell in cells)
    return "".join(f"| {text} " if text else "| " for text in texts) + "|"


def anchor(heading: str) -> str:
    """The fragment that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
