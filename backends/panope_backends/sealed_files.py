"""Files that are kept under names that tell their contents: what is damaged is made anew, and never taken for whole."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path


def find_sealed(folder: Path, made_of: str, suffix: str) -> Path | None:
    """What was sealed, as it was written; what is damaged is dropped.

    Args:
        folder: where it was kept.
        made_of: the digest of what it was made of.
        suffix: of its name, such as `.json`.
    """
    for path in folder.glob(f"{made_of}-*{suffix}"):
        with suppress(OSError):  # another worker has dropped it, or the folder is read-only
            if path.name == _sealed_name(path, made_of):
                return path
            path.unlink()
    return None


def seal(path: Path, made_of: str) -> Path | None:
    """Gives a file that was just written a name that tells its content; None where it is gone."""
    with suppress(FileNotFoundError):  # another worker, which has made the same, was faster
        return path.replace(path.with_name(_sealed_name(path, made_of)))
    return find_sealed(path.parent, made_of, path.suffix)


def _sealed_name(path: Path, made_of: str) -> str:
    with path.open("rb") as file:
        return f"{made_of}-{hashlib.file_digest(file, 'sha256').hexdigest()}{path.suffix}"
