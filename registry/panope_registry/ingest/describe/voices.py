"""Voices of phonemes: Piper's and Kokoro's."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panope_backends.errors import InvalidInputError
from panope_registry.ingest.describe.folder import Folder
from panope_registry.ingest.describe.match import Match

#: Of Kokoro's voices, unpacked.
_MOST_VOICE_BYTES = 1 << 29

_PIPER = {"input", "input_lengths", "scales"}
_STYLES = "styles.safetensors"
_KOKORO_RATE = 24_000


def piper(folder: Folder) -> Match | None:
    """A VITS as Piper exports it, with `NAME.onnx.json` beside it."""
    graph = folder.only
    if graph is None or {spec.name for spec in graph.inputs} - {"sid"} != _PIPER or len(graph.outputs) != 1:
        return None
    told = folder.json(f"{graph.path}.json")
    ids, audio = told.get("phoneme_id_map"), told.get("audio", {})
    if not isinstance(ids, Mapping) or not {"^", "_", "$"} <= set(ids) or not isinstance(audio, Mapping):
        return None
    inputs = {"tokens": "input", "lengths": "input_lengths", "scales": "scales"}
    description: dict[str, Any] = {
        "task": "speak",
        "sample_rate": audio.get("sample_rate"),
        "input": inputs,
        "output": {"decoder": "waveform"},
        "phonemes": {
            "ids": {sign: ids[sign] for sign in ids if sign not in "_^$"},
            "begin": ids["^"],
            "between": ids["_"],
            "end": ids["$"],
        },
    }
    if language := told.get("espeak", {}).get("voice"):
        description["language"] = language
    scales = told.get("inference", {})
    usual = {"noise": "noise_scale", "length": "length_scale", "noise_width": "noise_w"}
    if given := {name: scales[key] for name, key in usual.items() if key in scales}:
        description["scales"] = given
    if any(spec.name == "sid" for spec in graph.inputs):
        inputs["speaker"] = "sid"
        description["voices"] = _speakers(told)
    return Match("piper", description, f"its inputs and `{graph.path}.json` are those of Piper's voices")


def kokoro(folder: Folder) -> Match | None:
    """Kokoro, with its vocabulary in `vocab.json`, `config.json` or `tokenizer.json`, and its voices."""
    graph = folder.only
    names = {spec.name for spec in graph.inputs} if graph else set()
    tokens = names - {"style", "speed"}
    if graph is None or not {"style", "speed"} <= names or len(tokens) != 1 or len(graph.outputs) != 1:
        return None
    vocabulary = _vocabulary(folder)
    voices = [path for path in folder.files if path.endswith(".npz") or Path(path).name.startswith("voices")]
    if not vocabulary or (_STYLES not in folder.files and len(voices) != 1):
        return None
    more = {}
    if _STYLES not in folder.files:
        source = folder.files[voices[0]].source
        more[_STYLES] = lambda target: _write_styles(source, voices[0], target)
    (name,) = tokens
    description = {
        "task": "speak",
        "sample_rate": _KOKORO_RATE,
        "input": {"tokens": name, "style": "style", "speed": "speed"},
        "output": {"decoder": "waveform"},
        "phonemes": {"ids": {sign: [number] for sign, number in vocabulary.items()}, "begin": [0], "end": [0]},
        "language": "en-us",
        "styles": _STYLES,
    }
    return Match(
        "kokoro", description, "its inputs `style` and `speed` and its vocabulary are those of Kokoro", more=more
    )


def _speakers(told: Mapping[str, Any]) -> list[str]:
    """The names of speakers, by their numbers."""
    named = told.get("speaker_id_map") or {}
    count = told.get("num_speakers") or len(named) or 1
    by_number = {number: str(name) for name, number in named.items()} if isinstance(named, Mapping) else {}
    return [by_number.get(number, str(number)) for number in range(min(int(count), 10_000))]


def _vocabulary(folder: Folder) -> Mapping[str, int]:
    for path in ("vocab.json", "data/vocab.json", "config.json"):
        found = folder.json(path).get("vocab")
        if isinstance(found, Mapping) and _is_vocabulary(found):
            return dict(found)
    found = folder.json("tokenizer.json").get("model", {}).get("vocab")
    # Its mark of beginnings and ends is no sign.
    return {sign: number for sign, number in found.items() if sign != "$"} if _is_vocabulary(found) else {}


def _is_vocabulary(found: object) -> bool:
    return isinstance(found, Mapping) and bool(found) and all(isinstance(number, int) for number in found.values())


def _write_styles(source: Path, path: str, target: Path) -> None:
    """Writes NumPy's archive of voices as safetensors; pickles in it are refused.

    Raises:
        InvalidInputError: it is no such archive, or too large.
    """
    import numpy as np  # few imports need it
    from safetensors.numpy import save_file

    try:
        with zipfile.ZipFile(source) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_VOICE_BYTES:
                raise InvalidInputError(
                    f"`{path}` holds more than {_MOST_VOICE_BYTES:,} bytes of voices", field="folder"
                )
        with np.load(source, allow_pickle=False) as voices:
            styles = {name: np.ascontiguousarray(voices[name], np.float32) for name in voices.files}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError):
        raise InvalidInputError(f"`{path}` is no archive of voices as NumPy writes it", field="folder") from None
    save_file(styles, target)
