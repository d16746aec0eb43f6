"""llama.cpp applies an adapter that lies beside a model: its answers are those of the merged weights."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from panope_backends.api import GenerationRequest, LoadOptions, ModelFacts, SamplingParams
from panope_backends.engines.llama_cpp.backend import LlamaCppBackend
from panope_backends.errors import PreconditionError
from panope_backends.lora import FOLDER, GGUF_WEIGHTS
from panope_backends.testing.models import tiny_gguf_decoder

ALPHA, RANK = 8.0, 4


def save_adapter(folder: Path, weights: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    (folder / FOLDER).mkdir()
    writer = gguf.GGUFWriter(folder / FOLDER / GGUF_WEIGHTS, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for name, (down, up) in weights.items():
        writer.add_tensor(f"{name}.lora_a", down)
        writer.add_tensor(f"{name}.lora_b", up)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def answer(folder: Path, facts: ModelFacts) -> str:
    model = LlamaCppBackend().load(facts, folder, "CPU", LoadOptions(slots=1, threads=1))
    try:
        prompt = (1, 300, 301, 302)
        model.submit(GenerationRequest(1, prompt, sampling=SamplingParams(temperature=0), max_tokens=12))
        text = ""
        while True:
            for delta in model.deltas(10.0):
                text += delta.text
                if delta.usage is not None:
                    return text
    finally:
        model.close()


def merge(file: Path, weights: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Changes a file's weights where they lie."""
    reader = gguf.GGUFReader(file, "r+")
    for tensor in reader.tensors:
        if tensor.name in weights:
            down, up = weights[tensor.name]
            tensor.data[:] += (up @ down) * np.float32(ALPHA / RANK)
    reader.data.flush()


def test_answers_with_an_adapter_are_those_of_the_merged_weights(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("plain", "adapted", "merged")]
    for folder in folders:
        folder.mkdir()
        facts = tiny_gguf_decoder(folder)
    random = np.random.default_rng(0)
    names = [f"blk.{block}.{name}.weight" for block in range(2) for name in ("attn_q", "attn_v")]
    weights = {
        name: (
            random.standard_normal((RANK, 64), dtype=np.float32) / 8,
            random.standard_normal((64, RANK), dtype=np.float32) / 2,
        )
        for name in names
    }
    plain, adapted, merged = folders
    save_adapter(adapted, weights)
    merge(next(merged.glob("*.gguf")), weights)
    assert answer(adapted, facts) == answer(merged, facts) != answer(plain, facts)


def test_an_adapter_of_another_shape_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    facts = tiny_gguf_decoder(tmp_path)
    wrong = np.zeros((RANK, 32), np.float32), np.zeros((64, RANK), np.float32)
    save_adapter(tmp_path, {"blk.0.attn_q.weight": wrong})
    with pytest.raises(PreconditionError, match="refuses the model"):
        LlamaCppBackend().load(facts, tmp_path, "CPU", LoadOptions(slots=1, threads=1))
