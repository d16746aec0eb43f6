"""Every file, folder and module that the documents name is there."""

from __future__ import annotations

import importlib
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

SPAN = re.compile(r"`([^`\n]+)`")
SOURCE_FILE = re.compile(r"[\w.-]+(/[\w.-]+)+\.(py|proto|lua|go|dot|svg|md|toml|mako)")
FOLDER = re.compile(r"[\w.-]+(/[\w.-]+)+/?")
MODULE = re.compile(r"panope_\w+(\.\w+)+")
RUN_BENCHMARK = re.compile(r"python -m (benchmarks(?:\.\w+)+)")
PACKAGE = re.compile(r"panope_\w+/")

#: A file that a page brings itself: what its text says of it is followed by what it holds.
OWN_FILE = re.compile(r"^`([\w/]+\.\w+)`[^\n]*\n\n```", re.MULTILINE)

#: Of a user's machine, no module: the file beside a converted model.
NO_MODULES = {"panope_tokenizer.json"}


@cache
def places() -> frozenset[str]:
    """Every file and folder of the repository by each end of its path, with and without the packages' folders.

    So `server/panope_server/tasks/task.py` is also `server/tasks/task.py` and `tasks/task.py`.
    """
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    files = [path for path in subprocess.check_output(command, text=True).splitlines() if (ROOT / path).exists()]
    ends = set()
    for path in files:
        for spelling in {path, PACKAGE.sub("", path)}:
            parts = spelling.split("/")
            ends |= {"/".join(parts[start:end]) for end in range(1, len(parts) + 1) for start in range(end)}
    return frozenset(ends)


@cache
def rooms() -> frozenset[str]:
    """What the paths of folders begin with: the repository's folders and those of the server's package."""
    server = {path.name for path in (ROOT / "server/panope_server").iterdir() if path.is_dir()}
    return frozenset({path.split("/")[0] for path in places() if (ROOT / path).is_dir()} | server)


def missing(text: str) -> list[str]:
    """The code spans of a document that are written like a path or module of Panope and lead to none."""
    spans = SPAN.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    known = [is_module(span) if MODULE.fullmatch(span) else is_place(span) for span in spans]
    own = OWN_FILE.findall(text)
    return [span for span, is_known in zip(spans, known, strict=True) if not is_known and span not in own]


def is_place(span: str) -> bool:
    """Whether a span is no path of the repository, or leads somewhere."""
    is_path = SOURCE_FILE.fullmatch(span) or (FOLDER.fullmatch(span) and span.split("/")[0] in rooms())
    return not is_path or span.rstrip("/") in places()


def is_module(span: str) -> bool:
    """Whether a dotted name is a module or what one holds."""
    if span in NO_MODULES:
        return True
    try:
        importlib.import_module(span)
    except ModuleNotFoundError:
        parent, _, name = span.rpartition(".")
        try:
            return hasattr(importlib.import_module(parent), name)
        except ModuleNotFoundError:
            return False
    return True


def test_every_path_and_module_that_a_document_names_exists(document: Any) -> None:
    if document.name == "CHANGELOG.md":
        pytest.skip("it tells of what was")
    assert missing(document.text) == []


def test_every_benchmark_that_a_document_the_makefile_or_a_benchmark_runs_exists() -> None:
    folders = (ROOT / "benchmarks").rglob("*.*"), (ROOT / "docs").rglob("*.md")
    texts = [ROOT / "Makefile", *(path for folder in folders for path in folder if path.suffix in (".py", ".md"))]
    named = {name for path in texts for name in RUN_BENCHMARK.findall(path.read_text())}
    assert named
    assert [name for name in named if not (ROOT / f"{name.replace('.', '/')}.py").is_file()] == []


def test_a_path_or_module_that_is_gone_is_seen() -> None:
    good = (
        "`server/panope_server/tasks/task.py` `server/tasks/task.py` `tasks/task.py` `server/tasks` `runtime/models/`"
        " `panope_backends.api` `panope_backends.retry.RetryPolicy` `application/json` `acme/model` `logs/server.log`"
        "\n```\n`runtime/gone.py`\n```\n\n`my_package/own.py` is:\n\n```python\n```\n`my_package/own.py`\n"
    )
    gone = ["runtime/gone.py", "server/gone", "runtime/gone", "panope_backends.gone", "panope_gone.api"]

    assert missing(good) == []
    assert missing(" ".join(f"`{name}`" for name in gone)) == gone
