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
def checked_graphs(folder: Path | None) -> Iterator[None]:
    """Drops what is not as it was written, and notes what is written inside.

    A graph that another worker writes meanwhile may be dropped too, or be noted half-written: it is compiled once more.

    Args:
        folder: of the graphs; None where none are kept.
    """
    if folder is None:
        yield
        return
    for graph in folder.glob(_GRAPHS):
        with suppress(OSError):  # another worker has dropped it, or the folder is read-only
            if not _is_whole(graph):
                graph.unlink()
    yield
    for graph in folder.glob(_GRAPHS):
        with suppress(OSError):  # a full disk: it is compiled anew at the next start
            if not _is_noted(graph):
                _note_of(graph).write_text(_digest(graph))


def _note_of(graph: Path) -> Path:
    return graph.with_name(graph.name + _DIGEST)


def _is_whole(graph: Path) -> bool:
    note = _note_of(graph)
    return note.is_file() and note.read_text() == _digest(graph)


def _is_noted(graph: Path) -> bool:
    note = _note_of(graph)
    return note.is_file() and note.stat().st_mtime_ns >= graph.stat().st_mtime_ns


def _digest(graph: Path) -> str:
    with graph.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
