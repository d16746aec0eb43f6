"""The index of docs/decisions names every page, once, by its title."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs/decisions"


def test_the_index_names_every_page_once() -> None:
    linked = re.findall(r"^- \[\d{4}\]\((.+?)\): ", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert sorted(linked) == sorted(path.name for path in FOLDER.glob("*.md") if path.name != "README.md")


def test_no_two_pages_have_one_number() -> None:
    numbers = [path.name[:4] for path in FOLDER.glob("[0-9]*.md")]
    assert sorted(numbers) == sorted(set(numbers))


def test_a_page_without_its_number_or_a_subject_is_refused(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate.decisions, "FOLDER", tmp_path)
    page = tmp_path / "0001-a.md"
    page.write_text("# 0002: Another's number\n")
    with pytest.raises(ValueError, match="must begin with `# 0001: TITLE`"):
        generate.decisions.page()
    page.write_text("# 0001: its own number\n")
    assert "- [0001](0001-a.md): Its own number" in generate.decisions.page()
    (tmp_path / "9999-b.md").write_text("# 9999: Of no subject\n")
    with pytest.raises(ValueError, match=r"9999-b\.md"):
        generate.decisions.page()
