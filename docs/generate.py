"""Writes the pages that say what the code says: docs/api.md and docs/configuration.md.

python docs/generate.py            write them
python docs/generate.py --check    exit 1 when they differ from what the code gives
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for those who load this file by its path
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "protos"))  # what this shares with the protos' lint

from generator import api, configuration

DOCS = Path(__file__).resolve().parent
PAGES: Mapping[str, Callable[[], str]] = {"api.md": api.page, "configuration.md": configuration.page}


def stale(folder: Path) -> list[str]:
    """Names of the pages in a folder that differ from what the code gives."""
    return [name for name, page in PAGES.items() if not _is(folder / name, page())]


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def main() -> None:
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        if names := stale(DOCS):
            sys.exit(f"stale: {', '.join(f'docs/{name}' for name in names)}; run `make docs`")
        return
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())


if __name__ == "__main__":
    main()
