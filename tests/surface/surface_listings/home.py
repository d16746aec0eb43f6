"""What stands on the disk: the entries of the home folder, from docs/operations.md, and those of a store."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from panope_registry.store.store import Store

ROOT = Path(__file__).resolve().parents[3]


def listing() -> str:
    """The home's entries, then what a store has as soon as it is opened."""
    section = (ROOT / "docs/operations.md").read_text().split("## The home folder\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`[^|]*)\|", section, re.MULTILINE)
    entries = sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        below = sorted(f"store/{path.relative_to(store.folder)}" for path in store.folder.rglob("*"))
    return "\n".join([*entries, *below]) + "\n"
