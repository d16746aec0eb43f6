"""What is left in the folder of compiled graphs; the compiler is a double."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from panope_backends.engines.qnn import model


class Compiler:
    """Writes what stands for a compiled graph."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def compile_to_file(self, path: str) -> None:
        Path(path).write_bytes(b"compiled")


def test_a_graph_that_was_kept_before_names_told_contents_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_key", lambda _: "qnn-0")
    monkeypatch.setattr(model, "session_options", lambda *_: None)
    (tmp_path / "qnn-0.onnx").write_bytes(b"of an earlier version")
    runtime = SimpleNamespace(ModelCompiler=Compiler)
    kept = model._compiled(runtime, Path("graph.onnx"), tmp_path, 1)
    assert (list(tmp_path.iterdir()), kept.read_bytes()) == ([kept], b"compiled")


def test_what_a_compiler_left_that_was_killed_goes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_key", lambda _: "qnn-0")
    monkeypatch.setattr(model, "session_options", lambda *_: None)
    left, written, other = (tmp_path / name for name in ("qnn-1.123.onnx", "qnn-2.124.onnx", "qnn-3-abc.onnx"))
    for path in (left, written, other):
        path.write_bytes(b"half")
    old = time.time() - 2 * model._ABANDONED_SECONDS
    for path in (left, other):
        os.utime(path, (old, old))
    kept = model._compiled(SimpleNamespace(ModelCompiler=Compiler), Path("graph.onnx"), tmp_path, 1)
    assert set(tmp_path.iterdir()) == {kept, written, other}


def test_a_graph_is_compiled_at_each_load_where_none_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "_key", lambda _: "qnn-0")
    monkeypatch.setattr(model, "session_options", lambda *_: None)
    (tmp_path / "file").touch()
    graph = Path("graph.onnx")
    assert model._compiled(SimpleNamespace(ModelCompiler=Compiler), graph, tmp_path / "file" / "cache", 1) == graph


def test_a_graph_is_compiled_at_each_load_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(Compiler):
        def compile_to_file(self, path: str) -> None:
            raise model.REFUSALS[0](f"cannot write {path}")

    monkeypatch.setattr(model, "_key", lambda _: "qnn-0")
    monkeypatch.setattr(model, "session_options", lambda *_: None)
    graph = Path("graph.onnx")
    assert model._compiled(SimpleNamespace(ModelCompiler=FullDisk), graph, tmp_path, 1) == graph
