"""Compiled graphs that OpenVINO keeps in a folder, held to the content that they were written with.

OpenVINO compiles anew what is cut off, but takes most of what is damaged otherwise: they hold biases too, and of
45 graphs with one bit changed two answered with vectors that were wrong, at cosines of 0.919 and 0.998.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_GRAPHS = "*.blob"
_DIGEST = ".sha256"


@contextmanager
def checked_graphs(folder: Path | None) -> Iterator[Path | None]:
    """The folder, or None where nothing in it may be used; notes what is written inside.

    Drops what is not as it was written; where it cannot, as in a folder that is read-only, OpenVINO would take it.

    A graph that another worker writes meanwhile may be dropped too, or be noted half-written: it is compiled once more.

    Args:
        folder: of the graphs; None where none are kept.
    """
    if folder is None or not all(_is_whole(graph) or _drop(graph) for graph in folder.glob(_GRAPHS)):
        yield None
        return
    yield folder
    for graph in folder.glob(_GRAPHS):
        with suppress(OSError):  # a full disk: it is compiled anew at the next start
            if not _is_noted(graph):
                _note_of(graph).write_text(_digest(graph))


def _note_of(graph: Path) -> Path:
    return graph.with_name(graph.name + _DIGEST)


def _is_whole(graph: Path) -> bool:
    try:
        return _note_of(graph).read_bytes() == _digest(graph).encode()  # a damaged note need be no text
    except OSError:
        return False


def _drop(graph: Path) -> bool:
    """Whether it is gone, and its note with it: clocks go back, and the note would pass for a later graph's."""
    try:
        graph.unlink(missing_ok=True)  # another worker may have dropped it
    except OSError:
        return False
    with suppress(OSError):
        _note_of(graph).unlink(missing_ok=True)
    return True


def _is_noted(graph: Path) -> bool:
    note = _note_of(graph)
    return note.is_file() and note.stat().st_mtime_ns >= graph.stat().st_mtime_ns


def _digest(graph: Path) -> str:
    with graph.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
