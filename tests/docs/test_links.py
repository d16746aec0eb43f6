"""Every link of the documents leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def broken(document: Any) -> list[str]:
    """The relative links that lead to no file, or to no heading of one."""
    found = []
    for link in LINK.findall(document.prose()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (document.path.parent / path).resolve() if path else document.path
        if not target.exists() or (fragment and fragment not in type(document)(target, target.read_text()).anchors()):
            found.append(link)
    return found


def test_every_link_leads_to_a_file_and_a_heading(document: Any) -> None:
    assert broken(document) == []


def test_a_broken_link_is_seen(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    text = (
        "# A page\n[good](#a-page) [self](page.md#a-page) [gone](gone.md) [lost](page.md#lost) ![no](no.svg) `[x](y)`"
    )
    path.write_text(text)

    assert broken(type(document)(path, text)) == ["gone.md", "page.md#lost", "no.svg"]
