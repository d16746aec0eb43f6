"""The documents of this repository and what is in them."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Document:
    """A Markdown file."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    def fences(self, *languages: str) -> Iterator[str]:
        """The fenced blocks in these languages."""
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL):
            if language in languages:
                yield block

    def prose(self) -> str:
        """The text without its fenced blocks and code spans."""
        return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", self.text, flags=re.MULTILINE | re.DOTALL))

    def anchors(self) -> set[str]:
        """The fragments that the headings make."""
        headings = re.findall(
            r"^#+ (.*)$", re.sub(r"^```.*?^```", "", self.text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
        )
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def documents() -> list[Document]:
    """README and its like, and everything in `docs` and beside the components."""
    paths = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *(ROOT / folder / "README.md" for folder in ("clients", "envoy", "benchmarks")),
    ]
    return [Document(path, path.read_text()) for path in sorted(paths) if path.is_file()]


@pytest.fixture(params=documents(), ids=lambda document: document.name)
def document(request: pytest.FixtureRequest) -> Document:
    """Each document in turn."""
    found: Document = request.param
    return found


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    """`docs/generate.py`."""
    spec = importlib.util.spec_from_file_location("panope_docs_generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
