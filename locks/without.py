"""Prints a lock file without the packages that match the given patterns.

python locks/without.py locks/serve.txt torch 'nvidia-*'
"""

from __future__ import annotations

import re
import sys
from fnmatch import fnmatch
from pathlib import Path


def without(lock: str, patterns: list[str]) -> str:
    """The lock's text without the entries of matching packages; an entry is a line and its indented rest."""
    entries = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    names = [re.match(r"[A-Za-z0-9._-]*", entry) for entry in entries]
    return "".join(
        entry
        for entry, name in zip(entries, names, strict=True)
        if name is not None and not any(fnmatch(name.group(), pattern) for pattern in patterns)
    )


if __name__ == "__main__":
    sys.stdout.write(without(Path(sys.argv[1]).read_text(), sys.argv[2:]))
