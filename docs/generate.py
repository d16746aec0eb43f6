"""Writes the pages that are made from others: the API, the catalogue, the configuration, openapi.json, decisions.

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

from generator import api, catalogue, configuration, decisions, openapi

ROOT = Path(__file__).resolve().parents[1]
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/api.md": api.page,
    "docs/catalogue.md": catalogue.page,
    "docs/configuration.md": configuration.page,
    "docs/decisions/README.md": decisions.page,
    # In the package, for the server serves it.
    "server/panope_server/transport/openapi.json": openapi.page,
}


def stale(root: Path) -> list[str]:
    """Paths below a folder of the pages that differ from what the code gives."""
    return [path for path, page in PAGES.items() if not _is(root / path, page())]


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def main() -> None:
    """Writes or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        if paths := stale(ROOT):
            sys.exit(f"stale: {', '.join(paths)}; run `make docs`")
        return
    for path, page in PAGES.items():
        (ROOT / path).write_text(page())


if __name__ == "__main__":
    main()
