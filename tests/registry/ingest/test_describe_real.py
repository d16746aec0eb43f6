"""Trained graphs out of packages are described as tests describe them by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import real_graphs, voices
from tests.real_models import member

from panope_registry.ingest.describe.describe import describe
from panope_registry.ingest.folder import list_folder

pytestmark = pytest.mark.slow

_OCR = {
    "detector": "ch_PP-OCRv4_det_infer.onnx",
    "orientation": "ch_ppocr_mobile_v2.0_cls_infer.onnx",
    "recognizer": "ch_PP-OCRv4_rec_infer.onnx",
}


def _piper(folder: Path) -> None:
    voices.write_piper(folder)
    (folder / "voice.onnx.json").write_bytes(member(voices.PIPER, "en_US-joe-medium.onnx.json"))


def _kokoro(folder: Path) -> None:
    voices.write_kokoro(folder)
    (folder / "styles.safetensors").unlink()
    (folder / "voices_ja.npz").write_bytes(member(voices.KOKORO, "voices_ja.npz"))
    (folder / "vocab.json").write_bytes(member(voices.KOKORO, "data/vocab.json"))


def _upscaler(folder: Path) -> None:
    real_graphs.write_upscaler(folder)
    (folder / "model.onnx").rename(folder / "realesr-animevideov3-x4.onnx")


def _ocr(folder: Path) -> None:
    for file in _OCR.values():
        (folder / file).write_bytes(member("rapidocr-onnxruntime==1.4.4", f"rapidocr_onnxruntime/models/{file}"))
    described = {"version": 1, "task": "ocr", **{name: {"file": file} for name, file in _OCR.items()}}
    (folder / "panope.json").write_text(json.dumps(described))


MODELS: dict[str, Callable[[Path], Any]] = {
    "centerface": lambda folder: real_graphs.write_graph(folder, "centerface"),
    "u2net": lambda folder: real_graphs.write_graph(folder, "u2netp"),
    "real-esrgan": _upscaler,
    "piper": _piper,
    "kokoro": _kokoro,
    "pp-ocr": _ocr,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_trained_model_is_described_as_by_hand(name: str, tmp_path: Path) -> None:
    folder, scratch = tmp_path / "model", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    MODELS[name](folder)
    by_hand = json.loads((folder / "panope.json").read_text())
    (folder / "panope.json").unlink()
    _, reasons = describe(list_folder(folder), scratch)
    assert reasons["description"].startswith(f"panope.json was written as of `{name}`")
    assert json.loads((scratch / "panope.json").read_text()) == by_hand
