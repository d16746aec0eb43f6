"""Generates `panope_client/sync`, the client for threads, from `panope_client/aio`, the client for asyncio.

python clients/python/generate.py            write it
python clients/python/generate.py --check    exit 1 when it differs from what `aio` gives

Every module of `aio` gives the module of the same name, but for those in `BY_HAND`: they do what asyncio and threads do
in their own ways.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent / "panope_client"

BY_HAND = frozenset({"__init__.py", "concurrency.py"})

#: Patterns of the source and what stands in their place, in order, in code and docstrings alike. One that is found
#: nowhere is an error: then the source says something else than was meant.
REPLACEMENTS: tuple[tuple[str, str], ...] = (
    (r"# ruff: noqa: ASYNC109.*\n\n", ""),
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\baiter\(", "iter("),
    (r"\bpanope_client\.aio\b", "panope_client.sync"),
    (r"\bAsync([A-Z]\w+)", r"\1"),
    # What the docstrings say of tasks and threads.
    ("used inside one event loop and closed by", "which threads may share, closed by"),
    (r" A task that is\s+cancelled cancels its call at the server\.", ""),
    ("an iterable, asynchronous or not, read as fast", "read by a thread of gRPC, as fast"),
)

HEADER = "# Generated from panope_client/aio/{name} by clients/python/generate.py; do not edit.\n"


def outputs(package: Path) -> Iterator[tuple[Path, str]]:
    """The generated modules and what is in them.

    Raises:
        SystemExit: a replacement is found nowhere.
    """
    sources = {
        path.name: path.read_text() for path in sorted((package / "aio").glob("*.py")) if path.name not in BY_HAND
    }
    unused = [pattern for pattern, _ in REPLACEMENTS if not any(re.search(pattern, s) for s in sources.values())]
    if unused:
        sys.exit(f"clients/python/generate.py: nothing in {package / 'aio'} matches {unused}")
    for name, source in sources.items():
        yield package / "sync" / name, formatted(HEADER.format(name=name) + replaced(source), name)


def replaced(source: str) -> str:
    """The synchronous form of a module."""
    for pattern, replacement in REPLACEMENTS:
        source = re.sub(pattern, replacement, source)
    return source


def formatted(source: str, name: str) -> str:
    """The source of a module as ruff orders its imports and formats it."""
    for command in (["check", "--fix-only", "--quiet"], ["format", "--quiet"]):
        ruff = [Path(sys.executable).parent / "ruff", *command, "--stdin-filename", PACKAGE / "sync" / name, "-"]
        source = subprocess.run(ruff, input=source, capture_output=True, text=True, check=True).stdout
    return source


def stale(package: Path) -> list[str]:
    """Paths below a package that differ from what its source gives, those of removed modules included."""
    expected = dict(outputs(package))
    differing = {path for path, text in expected.items() if not path.is_file() or path.read_text() != text}
    removed = {path for path in (package / "sync").glob("*.py") if path.name not in BY_HAND} - expected.keys()
    return [str(path.relative_to(package)) for path in sorted(differing | removed)]


def write(package: Path) -> None:
    """Writes the generated modules and removes those whose source is gone."""
    expected = dict(outputs(package))
    for path, text in expected.items():
        path.write_text(text)
    for path in (package / "sync").glob("*.py"):
        if path.name not in BY_HAND and path not in expected:
            path.unlink()


def main() -> None:
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        if differing := stale(PACKAGE):
            sys.exit(f"not what panope_client/aio gives: {', '.join(differing)}; run `make clients`")
    else:
        write(PACKAGE)


if __name__ == "__main__":
    main()
