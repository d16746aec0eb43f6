"""docs/decisions/README.md: the pages of docs/decisions by subject, each by its title."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from generator import markdown

FOLDER = Path(__file__).resolve().parents[1] / "decisions"

#: Subjects in the order of the index, each with the numbers that its pages have.
SUBJECTS: tuple[tuple[str, range], ...] = (
    ("The project", range(1, 100)),
    ("Engines and conversions", range(100, 120)),
    ("The backend contract", range(120, 200)),
    ("Storing models", range(200, 210)),
    ("Understanding models", range(210, 300)),
    ("The public interface", range(300, 400)),
    ("Downloads and jobs", range(400, 500)),
    ("Running models", range(500, 600)),
    ("Streams and tasks", range(600, 610)),
    ("Sessions of the registry", range(610, 620)),
    ("Loading models", range(620, 630)),
    ("Public names", range(630, 640)),
    ("Processes and retries", range(640, 650)),
    ("Turns between calls", range(650, 700)),
    ("Clients", range(700, 800)),
    ("Generation", range(800, 900)),
    ("Keys and limits", range(900, 910)),
    ("Usage", range(910, 920)),
    ("Callers and the cache", range(930, 950)),
)

_HEADING = re.compile(r"# (?P<number>\d{4}):? (?P<title>.+)")


def page() -> str:
    """The index.

    Raises:
        ValueError: a page is not headed by its own number and a title, or its number belongs to no subject.
    """
    titles = {path.name: _title(path) for path in sorted(FOLDER.glob("[0-9]*.md"))}
    lines = [markdown.NOTICE, "", "# Decisions", "", "Why Panope is as it is, one page a decision.", ""]
    for subject, numbers in SUBJECTS:
        rows = list(_rows(titles, numbers))
        if rows:
            lines += [f"## {subject}", "", *rows, ""]
    listed = [name for _, numbers in SUBJECTS for name in titles if int(name[:4]) in numbers]
    if strangers := titles.keys() - set(listed):
        raise ValueError(f"no subject of docs/generator/decisions.py has the numbers of {', '.join(sorted(strangers))}")
    return markdown.page(lines)


def _rows(titles: dict[str, str], numbers: range) -> Iterator[str]:
    for name, title in titles.items():
        if int(name[:4]) in numbers:
            yield f"- [{name[:4]}]({name}): {title}"


def _title(path: Path) -> str:
    heading = path.read_text().partition("\n")[0]
    match = _HEADING.fullmatch(heading)
    if match is None or match["number"] != path.name[:4]:
        raise ValueError(f"docs/decisions/{path.name} must begin with `# {path.name[:4]}: TITLE`")
    return match["title"][0].upper() + match["title"][1:]
