"""An adapter as PEFT saves one, and the base model that it is of: headers that fit, weights that are all one byte."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panope_registry.testing.formats import safetensors_bytes

_LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 32}

LAYER = "base_model.model.model.layers.0.self_attn.q_proj"
"""The module that the adapter adapts, as its tensors begin."""

TENSORS: Mapping[str, Sequence[int]] = {f"{LAYER}.lora_A.weight": (2, 32), f"{LAYER}.lora_B.weight": (32, 2)}
CONFIG: Mapping[str, Any] = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": 2,
    "lora_alpha": 4,
    "target_modules": ["q_proj"],
}


def base_model(folder: Path, *, fill: int = 0, files: Mapping[str, bytes | str] | None = None) -> Path:
    """Saves a model of a llama's shape.

    Args:
        folder: where to.
        fill: the byte that its weights are made of.
        files: more of them, or others in the place of its own.
    """
    layers = {f"model.layers.{number}.self_attn": number for number in range(2)}
    tensors = {"model.embed_tokens.weight": ("F32", [64, 32]), "lm_head.weight": ("F32", [64, 32])}
    for layer in layers:
        tensors |= {f"{layer}.q_proj.weight": ("F32", [32, 32]), f"{layer}.v_proj.weight": ("F32", [16, 32])}
    content: dict[str, bytes | str] = {
        "config.json": json.dumps(_LLAMA),
        "tokenizer.json": "{}",
        "tokenizer_config.json": "{}",
        "model.safetensors": safetensors_bytes(tensors, fill=fill),
    }
    return _saved(folder, content | dict(files or {}))


def lora_adapter(
    folder: Path,
    base: str,
    *,
    fill: int = 0,
    config: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Sequence[int]] = TENSORS,
    files: Mapping[str, bytes | str] | None = None,
) -> Path:
    """Saves an adapter of the model named `base`.

    Args:
        folder: where to.
        base: as its configuration names it.
        fill: the byte that its weights are made of.
        config: more of its configuration, or other values.
        tensors: name -> shape.
        files: more of them, or others in the place of its own.
    """
    settings = {**CONFIG, "base_model_name_or_path": base, **(config or {})}
    content: dict[str, bytes | str] = {
        "adapter_config.json": json.dumps(settings),
        "adapter_model.safetensors": safetensors_bytes({name: ("F32", s) for name, s in tensors.items()}, fill=fill),
    }
    return _saved(folder, content | dict(files or {}))


def _saved(folder: Path, files: Mapping[str, bytes | str]) -> Path:
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder
