"""Which of the graphs that OpenVINO keeps may be used, whatever their folder and its notes are like."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from panope_backends.engines.openvino.compiled_graphs import checked_graphs


def keep(folder: Path, content: bytes = b"graph") -> tuple[Path, Path]:
    """A graph that was noted as it is written, and its note."""
    graph = folder / "1.blob"
    with checked_graphs(folder):
        graph.write_bytes(content)
    return graph, folder / "1.blob.sha256"


def test_a_folder_is_used_with_what_is_whole(tmp_path: Path) -> None:
    graph, _ = keep(tmp_path)
    with checked_graphs(tmp_path) as used:
        assert (used, graph.exists()) == (tmp_path, True)
    with checked_graphs(None) as used:
        assert used is None


def test_a_note_that_is_no_text_is_of_a_damaged_graph(tmp_path: Path) -> None:
    graph, note = keep(tmp_path)
    note.write_bytes(b"\xff" + note.read_bytes()[1:])
    with checked_graphs(tmp_path) as used:
        assert (used, graph.exists()) == (tmp_path, False)


def test_what_is_damaged_and_cannot_be_dropped_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, _ = keep(tmp_path)
    graph.write_bytes(b"grapf")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("the folder is read-only")

    monkeypatch.setattr(Path, "unlink", refuse)
    with checked_graphs(tmp_path) as used:
        assert used is None


def test_a_note_of_a_later_time_does_not_outlive_its_graph(tmp_path: Path) -> None:
    graph, note = keep(tmp_path)
    later = graph.stat().st_mtime + 3600
    os.utime(note, (later, later))  # the clock went back since
    graph.write_bytes(b"grapf")
    keep(tmp_path, b"compiled anew")
    with checked_graphs(tmp_path):
        assert graph.read_bytes() == b"compiled anew", "it would be compiled anew at each start"
